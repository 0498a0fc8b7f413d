/** Questions to NameServers: one that answers is enough, the next is asked when it does not. */
import { RmqError } from '../protocol/errors.ts';
import { answerError } from '../protocol/remoting/answer-error.ts';
import {
  type ClusterMember,
  decodeClusterMembers,
} from '../protocol/remoting/bodies/cluster-members.ts';
import { entriesOf, listOf } from '../protocol/remoting/bodies/json.ts';
import { parseLenientJson } from '../protocol/remoting/bodies/lenient-json.ts';
import { numberOr } from '../protocol/remoting/bodies/topic-config.ts';
import { RequestCode, ResponseCode } from '../protocol/remoting/codes.ts';
import type { ExtFields } from '../protocol/remoting/command.ts';
import type { RemotingAnswer, RemotingClient } from './remoting-client.ts';

export interface BrokerAddresses {
  readonly brokerName: string;
  readonly clusterName: string;
  /** By broker id; 0 is the master. */
  readonly addresses: ReadonlyMap<number, string>;
}

export interface RouteQueueData {
  readonly brokerName: string;
  readonly readQueueCount: number;
  readonly writeQueueCount: number;
  readonly permission: number;
}

export interface TopicRouteData {
  readonly queues: readonly RouteQueueData[];
  readonly brokers: readonly BrokerAddresses[];
}

export class NameServerClient {
  readonly #client: RemotingClient;
  readonly #addresses: readonly string[];
  readonly #timeoutMs: number;
  /** The one that answered last is asked first. */
  #preferred = 0;

  constructor(options: {
    readonly client: RemotingClient;
    readonly addresses: readonly string[];
    readonly timeoutMs: number;
  }) {
    this.#client = options.client;
    this.#addresses = options.addresses;
    this.#timeoutMs = options.timeoutMs;
  }

  get addresses(): readonly string[] {
    return this.#addresses;
  }

  /** @throws RmqError CANNOT_CONNECT, TIMEOUT … of the last one when none answers. */
  async ask(code: number, extFields: ExtFields, body?: Uint8Array): Promise<RemotingAnswer> {
    let last: unknown = new RmqError('CANNOT_CONNECT', 'no NameServer is known', {
      hint: 'name one with --namesrv HOST:PORT',
    });
    for (let tried = 0; tried < this.#addresses.length; tried++) {
      const index = (this.#preferred + tried) % this.#addresses.length;
      const address = this.#addresses[index] as string; // index < length
      try {
        const timeoutMs = this.#timeoutMs;
        const answer = await this.#client.invoke(address, code, extFields, body, { timeoutMs });
        this.#preferred = index;
        return answer;
      } catch (error) {
        last = error;
      }
    }
    throw last;
  }

  /** Sends to every NameServer. @returns how many took it. */
  async tellAll(code: number, extFields: ExtFields, body?: Uint8Array): Promise<number> {
    const told = await Promise.allSettled(
      this.#addresses.map((address) =>
        this.#client.invoke(address, code, extFields, body, { timeoutMs: this.#timeoutMs }),
      ),
    );
    return told.filter((one) => one.status === 'fulfilled' && one.value.code === 0).length;
  }

  /** undefined when the NameServer knows no route for the topic. */
  async route(topic: string): Promise<TopicRouteData | undefined> {
    const answer = await this.ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, {
      topic,
      acceptStandardJsonOnly: 'true',
    });
    if (answer.code === ResponseCode.TOPIC_NOT_EXIST) return undefined;
    const json = Object.fromEntries(entriesOf(parseLenientJson(checked(answer).body)));
    return {
      queues: listOf(json, 'queueDatas').flatMap(toQueueData),
      brokers: listOf(json, 'brokerDatas').flatMap(toBroker),
    };
  }

  async brokers(): Promise<readonly BrokerAddresses[]> {
    const answer = checked(await this.ask(RequestCode.GET_BROKER_CLUSTER_INFO, {}));
    const json = Object.fromEntries(entriesOf(parseLenientJson(answer.body)));
    return entriesOf(json['brokerAddrTable']).flatMap(([, broker]) => toBroker(broker));
  }

  /** Every machine that reports; undefined on Apache's NameServer, which does not know the request. */
  async members(): Promise<readonly ClusterMember[] | undefined> {
    const answer = await this.ask(RequestCode.RMQ_CLUSTER_MEMBERS, {});
    if (answer.code === ResponseCode.REQUEST_CODE_NOT_SUPPORTED) return undefined;
    return decodeClusterMembers(checked(answer).body);
  }

  async topicNames(): Promise<readonly string[]> {
    const answer = checked(await this.ask(RequestCode.GET_ALL_TOPIC_LIST_FROM_NAMESERVER, {}));
    const json = Object.fromEntries(entriesOf(parseLenientJson(answer.body)));
    return listOf(json, 'topicList').filter((topic) => typeof topic === 'string');
  }
}

/** The answer when it is a success. @throws RmqError with the server's remark otherwise. */
export function checked(answer: RemotingAnswer): RemotingAnswer {
  if (answer.code === 0) return answer;
  throw answerError(answer);
}

function toQueueData(value: unknown): RouteQueueData[] {
  const fields = Object.fromEntries(entriesOf(value));
  const { brokerName } = fields;
  if (typeof brokerName !== 'string') return [];
  return [
    {
      brokerName,
      readQueueCount: numberOr(fields['readQueueNums'], 0),
      writeQueueCount: numberOr(fields['writeQueueNums'], 0),
      permission: numberOr(fields['perm'], 0),
    },
  ];
}

function toBroker(value: unknown): BrokerAddresses[] {
  const fields = Object.fromEntries(entriesOf(value));
  const { brokerName, cluster } = fields;
  if (typeof brokerName !== 'string') return [];
  const addresses = new Map<number, string>();
  for (const [id, address] of entriesOf(fields['brokerAddrs'])) {
    if (typeof address === 'string') addresses.set(Number(id), address);
  }
  return [{ brokerName, clusterName: typeof cluster === 'string' ? cluster : '', addresses }];
}
