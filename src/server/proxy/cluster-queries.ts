/** What a proxy asks NameServers, with their answers decoded; facts/remoting.md §3.4, §3.5. */
import type { RemotingClient } from '../../client/remoting-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import { answerError } from '../../protocol/remoting/answer-error.ts';
import type { ClusterMember } from '../../protocol/remoting/bodies/cluster-members.ts';
import { decodeClusterMembers } from '../../protocol/remoting/bodies/cluster-members.ts';
import { entriesOf } from '../../protocol/remoting/bodies/json.ts';
import { parseLenientJson } from '../../protocol/remoting/bodies/lenient-json.ts';
import { numberOr } from '../../protocol/remoting/bodies/topic-config.ts';
import { RequestCode, ResponseCode } from '../../protocol/remoting/codes.ts';
import type { ExtFields } from '../../protocol/remoting/command.ts';
import type { RouteQueues } from './cluster-view.ts';

const timeoutMs = 3_000;

export interface MasterAddress {
  readonly clusterName: string;
  readonly brokerName: string;
  readonly address: string;
}

export class NameServerQueries {
  readonly #client: RemotingClient;
  readonly #namesrv: readonly string[];
  /** The one that answered last is asked first. */
  #preferred = 0;

  constructor(client: RemotingClient, namesrv: readonly string[]) {
    this.#client = client;
    this.#namesrv = namesrv;
  }

  /**
   * Queues of a topic on live masters; undefined when the NameServers that answer do not know it.
   * @throws RmqError CANNOT_CONNECT … when none answers.
   */
  async route(topic: string): Promise<readonly RouteQueues[] | undefined> {
    const fields = { topic, acceptStandardJsonOnly: 'true' };
    return this.#ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, fields, (body) => decodeRoute(body));
  }

  /** Masters of all clusters. @throws RmqError when no NameServer answers. */
  async masters(): Promise<readonly MasterAddress[]> {
    const code = RequestCode.GET_BROKER_CLUSTER_INFO;
    return (await this.#ask(code, {}, (body) => decodeMasters(body))) ?? [];
  }

  /** undefined: the NameServers are not ours. @throws RmqError when none answers. */
  async members(): Promise<readonly ClusterMember[] | undefined> {
    return this.#ask(RequestCode.RMQ_CLUSTER_MEMBERS, {}, (body) => decodeClusterMembers(body));
  }

  /** Asks one after the other until one knows. */
  async #ask<T>(
    code: number,
    fields: ExtFields,
    decode: (body: Buffer) => T,
  ): Promise<T | undefined> {
    let failure: RmqError | undefined;
    let isAnswered = false;
    for (let tried = 0; tried < this.#namesrv.length; tried++) {
      const index = (this.#preferred + tried) % this.#namesrv.length;
      const address = this.#namesrv[index];
      if (address === undefined) continue;
      try {
        const answer = await this.#client.invoke(address, code, fields, undefined, { timeoutMs });
        if (answer.code === ResponseCode.SUCCESS) {
          this.#preferred = index;
          return decode(answer.body);
        }
        const isUnknown =
          answer.code === ResponseCode.TOPIC_NOT_EXIST ||
          answer.code === ResponseCode.REQUEST_CODE_NOT_SUPPORTED;
        if (isUnknown) isAnswered = true;
        else failure = answerError(answer);
      } catch (error) {
        if (!(error instanceof RmqError)) throw error;
        failure = error;
      }
    }
    if (isAnswered) return undefined;
    throw failure ?? new RmqError('CANNOT_CONNECT', 'no NameServer is configured');
  }
}

function decodeRoute(body: Buffer): readonly RouteQueues[] {
  const json = new Map(entriesOf(parseLenientJson(body)));
  const masters = new Set<string>();
  for (const [, value] of entriesOf(json.get('brokerDatas'))) {
    const broker = new Map(entriesOf(value));
    const hasMaster = entriesOf(broker.get('brokerAddrs')).some(([id]) => id === '0');
    if (hasMaster) masters.add(String(broker.get('brokerName')));
  }
  const queues: RouteQueues[] = [];
  for (const [, value] of entriesOf(json.get('queueDatas'))) {
    const queue = new Map(entriesOf(value));
    const brokerName = String(queue.get('brokerName'));
    if (!masters.has(brokerName)) continue;
    queues.push({
      brokerName,
      readQueueCount: numberOr(queue.get('readQueueNums'), 0),
      writeQueueCount: numberOr(queue.get('writeQueueNums'), 0),
      permission: numberOr(queue.get('perm'), 0),
    });
  }
  return queues.toSorted((a, b) => (a.brokerName < b.brokerName ? -1 : 1));
}

function decodeMasters(body: Buffer): readonly MasterAddress[] {
  const json = new Map(entriesOf(parseLenientJson(body)));
  const found: MasterAddress[] = [];
  for (const [brokerName, value] of entriesOf(json.get('brokerAddrTable'))) {
    const broker = new Map(entriesOf(value));
    const [, address] = entriesOf(broker.get('brokerAddrs')).find(([id]) => id === '0') ?? [];
    if (typeof address !== 'string') continue;
    found.push({ clusterName: String(broker.get('cluster') ?? ''), brokerName, address });
  }
  return found.toSorted((a, b) => (a.brokerName < b.brokerName ? -1 : 1));
}
