/**
 * What a started server is configured with, after flags, environment, file and defaults have been
 * merged (`config.ts`). Every role gets the whole and reads its own part.
 */

export type Role = 'nameserver' | 'broker' | 'proxy';
export type FlushMode = 'sync' | 'async';

export interface ServerSettings {
  readonly roles: readonly Role[];
  /** Root of everything on disk; undefined: nothing on disk (`--memory`). */
  readonly dataDir: string | undefined;
  /** NameServers to register with and to ask; empty: the one started in this process. */
  readonly namesrv: readonly string[];
  /** Address that every role listens on. */
  readonly listenHost: string;
  /** 0 takes a free port. */
  readonly nameserverPort: number;
  readonly brokerPort: number;
  readonly grpcPort: number;
  /** The proxy's port for 4.x clients; undefined: none. */
  readonly remotingPort: number | undefined;
  /**
   * What others are told instead of the address they reached us by, as `Advertised.parse` reads it; empty:
   * nothing.
   */
  readonly advertise: { readonly broker: string; readonly grpc: string };
  readonly clusterName: string;
  readonly brokerName: string;
  readonly brokerId: number;
  /** Name of this proxy in the cluster list; defaults to its advertised address. */
  readonly proxyName: string | undefined;
  readonly flush: FlushMode;
  readonly isAutoCreateTopicEnabled: boolean;
  readonly isAutoCreateGroupEnabled: boolean;
  readonly defaultTopicQueueCount: number;
  /** Bytes of one commit log segment. */
  readonly segmentSizeBytes: number;
  /** Messages older than this may be deleted, a segment at a time. */
  readonly retentionMs: number;
  /** The log is cut to this size, whatever the age of what goes; undefined: no limit. */
  readonly retentionBytes: number | undefined;
  /** The oldest messages go, whatever their age, while less disk space is free. */
  readonly retentionFreeBytes: number;
  /** Delivery times further ahead are refused. */
  readonly delayMaxMs: number;
  /** Below this many free bytes new messages are refused. */
  readonly minFreeBytes: number;
  /** How often brokers and proxies renew, and after how much silence a NameServer drops them. */
  readonly registerIntervalMs: number;
  readonly registrationWindowMs: number;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly isInsecureAllowed: boolean;
  /** Which HTTP/2 the gRPC port speaks with. */
  readonly grpcTransport: 'own' | 'grpc-js';
  readonly logLevel: 'error' | 'warn' | 'info' | 'debug';
}
