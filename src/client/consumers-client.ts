/** Clients of brokers: who is connected, and what a consumer says of itself; facts/remoting.md §5.5, §8.1. */
import { isSystemGroup } from '../protocol/message/names.ts';
import { entriesOf } from '../protocol/remoting/bodies/json.ts';
import { parseLenientJson } from '../protocol/remoting/bodies/lenient-json.ts';
import { numberOr, textMap } from '../protocol/remoting/bodies/topic-config.ts';
import { RequestCode } from '../protocol/remoting/codes.ts';
import { runningInfoHeader } from '../protocol/remoting/headers/admin.ts';
import type { AdminClient, Master } from './admin-client.ts';
import { groupConnections } from './group-client.ts';

/** A client as one broker sees it, in one of its groups. */
export interface ConnectedClient {
  readonly clientId: string;
  readonly address: string;
  readonly language: string;
  readonly version: number;
  readonly brokerName: string;
  readonly group: string;
  readonly role: 'producer' | 'consumer';
}

/** Groups that are asked for at once. */
const atOnce = 8;

/** All producers and consumers of all brokers. Those of proxies over gRPC are the proxies' business. */
export async function connectedClients(admin: AdminClient): Promise<readonly ConnectedClient[]> {
  const clients = [...(await producersOfBrokers(admin))];
  const groups = [...(await admin.listGroups()).keys()].filter((group) => !isSystemGroup(group));
  for (let at = 0; at < groups.length; at += atOnce) {
    const part = groups.slice(at, at + atOnce);
    const found = await Promise.all(part.map((group) => groupConnections(admin, group)));
    for (const [index, { members }] of found.entries()) {
      const group = part[index] ?? '';
      for (const member of members) clients.push({ ...member, group, role: 'consumer' });
    }
  }
  return clients;
}

/** All producers of all brokers, each once for each of its groups and brokers. */
export async function producersOfBrokers(admin: AdminClient): Promise<readonly ConnectedClient[]> {
  const producers: ConnectedClient[] = [];
  for (const master of await admin.masters()) producers.push(...(await producersOf(admin, master)));
  return producers;
}

async function producersOf(
  admin: AdminClient,
  { address, brokerName }: Master,
): Promise<ConnectedClient[]> {
  const answer = await admin.call(address, RequestCode.GET_ALL_PRODUCER_INFO, {});
  const json = Object.fromEntries(entriesOf(parseLenientJson(answer.body)));
  return entriesOf(json['data']).flatMap(([group, list]) =>
    entriesOf(list).map(([, value]): ConnectedClient => {
      const producer = Object.fromEntries(entriesOf(value));
      return {
        clientId: String(producer['clientId'] ?? ''),
        // Java's text of an address: `/127.0.0.1:52854`.
        address: String(producer['remoteIP'] ?? '').replace(/^\//, ''),
        language: String(producer['language'] ?? ''),
        version: numberOr(producer['version'], 0),
        brokerName,
        group,
        role: 'producer',
      };
    }),
  );
}

export interface RunningInfo {
  /** Settings and times, by the client's names. */
  readonly properties: Readonly<Record<string, string>>;
  /** `topic` to filter expression. */
  readonly subscriptions: Readonly<Record<string, string>>;
  /** Queues that it reads or pops. */
  readonly queueCount: number;
  /** Consumed a second and how long each took, by topic. */
  readonly rates: Readonly<
    Record<
      string,
      { readonly okPerSecond: number; readonly failedPerSecond: number; readonly averageMs: number }
    >
  >;
  /** Stacks of its threads, when they were asked for and it has some. */
  readonly stack: string | undefined;
}

/** Asks a consumer through one of its brokers. @throws RmqError CLIENT_NOT_FOUND, TIMEOUT */
export async function runningInfo(
  admin: AdminClient,
  address: string,
  consumer: { readonly group: string; readonly clientId: string; readonly hasStack: boolean },
): Promise<RunningInfo> {
  const { group, clientId, hasStack } = consumer;
  const fields = {
    ...runningInfoHeader.encode({ group, clientId }),
    jstackEnable: String(hasStack),
  };
  const answer = await admin.call(address, RequestCode.GET_CONSUMER_RUNNING_INFO, fields);
  const json = Object.fromEntries(entriesOf(parseLenientJson(answer.body)));
  const subscriptions = entriesOf(json['subscriptionSet']).map(([, value]) => {
    const subscription = Object.fromEntries(entriesOf(value));
    return [String(subscription['topic'] ?? ''), String(subscription['subString'] ?? '')] as const;
  });
  const rates = entriesOf(json['statusTable']).map(([topic, value]) => {
    const status = Object.fromEntries(entriesOf(value));
    return [
      topic,
      {
        okPerSecond: numberOr(status['consumeOKTPS'], 0),
        failedPerSecond: numberOr(status['consumeFailedTPS'], 0),
        averageMs: numberOr(status['consumeRT'], 0),
      },
    ] as const;
  });
  const stack = json['jstack'];
  return {
    properties: textMap(json['properties']),
    subscriptions: Object.fromEntries(subscriptions),
    queueCount: entriesOf(json['mqTable']).length + entriesOf(json['mqPopTable']).length,
    rates: Object.fromEntries(rates),
    stack: typeof stack === 'string' ? stack : undefined,
  };
}
