/** What commands ask and change of topics beyond `AdminClient`: settings, rates, who consumes them. */
import { RmqError } from '../protocol/errors.ts';
import { entriesOf, listOf } from '../protocol/remoting/bodies/json.ts';
import { parseLenientJson } from '../protocol/remoting/bodies/lenient-json.ts';
import type { TopicConfigBody } from '../protocol/remoting/bodies/topic-config.ts';
import { numberOr } from '../protocol/remoting/bodies/topic-config.ts';
import { RequestCode } from '../protocol/remoting/codes.ts';
import { createTopicHeader, statsHeader, topicHeader } from '../protocol/remoting/headers/admin.ts';
import type { AdminClient, Master } from './admin-client.ts';

/** Gives one broker the topic as it is said; attributes named with `+` or `-` in front (facts/broker.md 1.3). */
export async function putTopicConfig(
  admin: AdminClient,
  { address }: Master,
  config: TopicConfigBody,
): Promise<void> {
  const attributes = Object.entries(config.attributes).map(([name, value]) =>
    name.startsWith('-') ? name : `${name}=${value}`,
  );
  const fields = createTopicHeader.encode({
    topic: config.topic,
    defaultTopic: 'TBW102',
    readQueueCount: config.readQueueCount,
    writeQueueCount: config.writeQueueCount,
    permission: config.permission,
    filterType: config.filterType,
    systemFlag: config.systemFlag,
    isOrdered: config.isOrdered,
    attributes: attributes.join(','),
  });
  await admin.call(address, RequestCode.UPDATE_AND_CREATE_TOPIC, fields);
}

/** Groups that consume the topic or have consumed it, by name. */
export async function groupsOfTopic(admin: AdminClient, topic: string): Promise<readonly string[]> {
  const groups = new Set<string>();
  const fields = topicHeader.encode({ topic });
  for (const { address } of await admin.masters()) {
    const answer = await admin.call(address, RequestCode.QUERY_TOPIC_CONSUME_BY_WHO, fields);
    const json = Object.fromEntries(entriesOf(parseLenientJson(answer.body)));
    for (const group of listOf(json, 'groupList')) groups.add(String(group));
  }
  return [...groups].sort();
}

export interface QueueRange {
  readonly queueId: number;
  readonly minOffset: number;
  /** Offset that the next message gets. */
  readonly maxOffset: number;
  /** Of the newest message, Unix ms; 0: there is none. */
  readonly lastStoreTimestampMs: number;
}

/** What the queues of a topic hold on one broker. @throws RmqError TOPIC_NOT_FOUND */
export async function queueRanges(
  admin: AdminClient,
  address: string,
  topic: string,
): Promise<readonly QueueRange[]> {
  const code = RequestCode.GET_TOPIC_STATS_INFO;
  const answer = await admin.call(address, code, topicHeader.encode({ topic }));
  const json = Object.fromEntries(entriesOf(parseLenientJson(answer.body)));
  const ranges = entriesOf(json['offsetTable']).map(([key, value]): QueueRange => {
    const queue = Object.fromEntries(entriesOf(JSON.parse(key)));
    const range = Object.fromEntries(entriesOf(value));
    return {
      queueId: numberOr(queue['queueId'], 0),
      minOffset: numberOr(range['minOffset'], 0),
      maxOffset: numberOr(range['maxOffset'], 0),
      lastStoreTimestampMs: numberOr(range['lastUpdateTimestamp'], 0),
    };
  });
  return ranges.sort((a, b) => a.queueId - b.queueId);
}

/** Messages of one broker that wait for their time, by topic; empty where its timers are off. */
export async function timerCounts(
  admin: AdminClient,
  address: string,
): Promise<ReadonlyMap<string, number>> {
  const answer = await admin.ask(address, RequestCode.GET_TIMER_METRICS, {});
  if (answer.code !== 0 || answer.body.length === 0) return new Map();
  const json = Object.fromEntries(entriesOf(parseLenientJson(answer.body)));
  return new Map(
    entriesOf(json['timingCount']).map(([topic, value]) => [
      topic,
      numberOr(Object.fromEntries(entriesOf(value))['count'], 0),
    ]),
  );
}

/** How often something happened; facts/broker.md §22. */
export interface Rates {
  /** A second, over the last minute. */
  readonly perSecond: number;
  /** In the last 24 hours. */
  readonly lastDay: number;
}

/** A statistic of all brokers together: `TOPIC_PUT_NUMS topic`, `GROUP_GET_NUMS topic@group`. */
export async function statistic(
  admin: AdminClient,
  masters: readonly Master[],
  name: string,
  key: string,
): Promise<Rates> {
  const fields = statsHeader.encode({ name, key });
  const all = await Promise.all(
    masters.map(async ({ address }): Promise<Rates> => {
      try {
        const answer = await admin.call(address, RequestCode.VIEW_BROKER_STATS_DATA, fields);
        const json = Object.fromEntries(entriesOf(parseLenientJson(answer.body)));
        const window = (part: string): Record<string, unknown> =>
          Object.fromEntries(entriesOf(json[part]));
        return {
          perSecond: numberOr(window('statsMinute')['tps'], 0),
          lastDay: numberOr(window('statsDay')['sum'], 0),
        };
      } catch (error) {
        // "not exist": nothing of the kind has happened there since the broker started.
        if (error instanceof RmqError && /not exist/.test(error.message)) {
          return { perSecond: 0, lastDay: 0 };
        }
        throw error;
      }
    }),
  );
  return all.reduce((sum, one) => ({
    perSecond: sum.perSecond + one.perSecond,
    lastDay: sum.lastDay + one.lastDay,
  }));
}
