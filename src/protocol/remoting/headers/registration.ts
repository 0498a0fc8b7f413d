/**
 * What brokers and proxies tell NameServers: facts/remoting.md §3.2 for brokers; the proxies' codes
 * (RMQ_REGISTER_PROXY …) are an extension of ours, which Apache's NameServer refuses with code 3.
 */

import type { HeaderCodec } from './field.ts';
import {
  booleanOr,
  headerCodec,
  integer,
  integerOr,
  optionalInteger,
  text,
  textOr,
} from './field.ts';

/** REGISTER_BROKER (103). */
export interface RegisterBrokerHeader {
  readonly clusterName: string;
  readonly brokerName: string;
  /** host:port that clients are told. */
  readonly brokerAddr: string;
  /** 0: master. */
  readonly brokerId: number;
  readonly haServerAddr: string;
  /** How long a NameServer waits for the next one; absent: its own default. */
  readonly heartbeatTimeoutMs: number | undefined;
  readonly isActingMasterEnabled: boolean;
  readonly isCompressed: boolean;
  /** CRC-32 of the body & 0x7fffffff; 0: unchecked. */
  readonly bodyCrc: number;
  /** Extension of ours: the body names all topics, so that those missing are gone. */
  readonly isComplete: boolean;
  /** Extension of ours: addresses by the client's network, `NETWORK=HOST:PORT;…`; empty: one for all. */
  readonly advertise: string;
  /** Extension of ours: listens on all addresses of its machine, and nobody said which one to tell. */
  readonly isEverywhere: boolean;
}

export const registerBrokerHeader: HeaderCodec<RegisterBrokerHeader> = headerCodec({
  clusterName: text('clusterName'),
  brokerName: text('brokerName'),
  brokerAddr: text('brokerAddr'),
  brokerId: integer('brokerId'),
  haServerAddr: textOr('haServerAddr', ''),
  heartbeatTimeoutMs: optionalInteger('heartbeatTimeoutMillis'),
  isActingMasterEnabled: booleanOr('enableActingMaster', false),
  isCompressed: booleanOr('compressed', false),
  bodyCrc: integerOr('bodyCrc32', 0),
  isComplete: booleanOr('rmqComplete', false),
  advertise: textOr('rmqAdvertise', ''),
  isEverywhere: booleanOr('rmqEverywhere', false),
});

/** UNREGISTER_BROKER (104). */
export interface UnregisterBrokerHeader {
  readonly clusterName: string;
  readonly brokerName: string;
  readonly brokerAddr: string;
  readonly brokerId: number;
}

export const unregisterBrokerHeader: HeaderCodec<UnregisterBrokerHeader> = headerCodec({
  clusterName: text('clusterName'),
  brokerName: text('brokerName'),
  brokerAddr: text('brokerAddr'),
  brokerId: integer('brokerId'),
});

/** RMQ_REGISTER_PROXY (720001); no body. Renewed like a broker's registration. */
export interface RegisterProxyHeader {
  readonly clusterName: string;
  readonly proxyName: string;
  /** host:port of the gRPC listener that clients are told. */
  readonly grpcAddr: string;
  readonly heartbeatTimeoutMs: number | undefined;
  /** Addresses by the client's network, `NETWORK=HOST:PORT;…`; empty: one for all. */
  readonly advertise: string;
}

export const registerProxyHeader: HeaderCodec<RegisterProxyHeader> = headerCodec({
  clusterName: text('clusterName'),
  proxyName: text('proxyName'),
  grpcAddr: text('grpcAddr'),
  heartbeatTimeoutMs: optionalInteger('heartbeatTimeoutMillis'),
  advertise: textOr('advertise', ''),
});

/** RMQ_UNREGISTER_PROXY (720002). */
export interface UnregisterProxyHeader {
  readonly clusterName: string;
  readonly proxyName: string;
  readonly grpcAddr: string;
}

export const unregisterProxyHeader: HeaderCodec<UnregisterProxyHeader> = headerCodec({
  clusterName: text('clusterName'),
  proxyName: text('proxyName'),
  grpcAddr: text('grpcAddr'),
});
