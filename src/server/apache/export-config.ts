/** The JSON files of Apache's broker (facts/store.md §9), strictly written: its reader takes quoted keys as well. */
import type { Files } from '../../platform/files.ts';
import { putInt64 } from '../../protocol/message/bytes.ts';
import { groupConfigToJson } from '../../protocol/remoting/bodies/group-config.ts';
import { topicConfigToJson } from '../../protocol/remoting/bodies/topic-config.ts';
import type { GroupConfig, TopicConfig } from '../broker/api.ts';
import type { GroupMode, GroupOffset } from './folder.ts';

export interface ConfigContent {
  readonly topics: readonly TopicConfig[];
  readonly groups: readonly GroupConfig[];
  readonly forbidden: readonly { readonly group: string; readonly topic: string }[];
  readonly offsets: readonly GroupOffset[];
  readonly modes: readonly GroupMode[];
  /** Level to the next offset of its queue. */
  readonly delayOffsets: ReadonlyMap<number, number>;
  readonly nowMs: number;
}

/** 1 << 2: reading is forbidden. */
const forbiddenToRead = 4;

export async function writeConfig(files: Files, to: string, content: ConfigContent): Promise<void> {
  const folder = `${to}/config`;
  await files.makeFolder(folder);
  const dataVersion = { counter: 1, stateVersion: 0, timestamp: content.nowMs };
  const write = (name: string, json: object): Promise<void> =>
    files.replaceFile(`${folder}/${name}`, Buffer.from(`${JSON.stringify(json, undefined, 1)}\n`));
  const topics = content.topics.map((one) => [one.topic, topicConfigToJson(one)] as const);
  await write('topics.json', { dataVersion, topicConfigTable: Object.fromEntries(topics) });
  const groups = content.groups.map((one) => [one.group, groupConfigToJson(one)] as const);
  await write('subscriptionGroup.json', {
    dataVersion,
    forbiddenTable: forbiddenTable(content.forbidden),
    subscriptionGroupTable: Object.fromEntries(groups),
  });
  const offsetTable = offsetsByQueue(content.offsets);
  // The second one stands in for the first while light queues are switched on.
  await write('consumerOffset.json', { dataVersion, offsetTable });
  await write('lmqConsumerOffset.json', { dataVersion, lmqOffsetTable: {}, offsetTable });
  await write('messageRequestMode.json', { messageRequestModeMap: modesByTopic(content.modes) });
  await write('delayOffset.json', {
    dataVersion,
    offsetTable: Object.fromEntries(content.delayOffsets),
  });
}

function forbiddenTable(
  forbidden: ConfigContent['forbidden'],
): Record<string, Record<string, number>> {
  const table = new Map<string, Map<string, number>>();
  for (const { group, topic } of forbidden) {
    const topics = table.get(group) ?? new Map<string, number>();
    table.set(group, topics.set(topic, forbiddenToRead));
  }
  return objectOf(table);
}

function offsetsByQueue(offsets: readonly GroupOffset[]): Record<string, Record<string, number>> {
  const table = new Map<string, Map<string, number>>();
  for (const { group, topic, queueId, offset } of offsets) {
    const key = `${topic}@${group}`;
    table.set(key, (table.get(key) ?? new Map<string, number>()).set(String(queueId), offset));
  }
  return objectOf(table);
}

function modesByTopic(modes: readonly GroupMode[]): Record<string, Record<string, object>> {
  const table: Record<string, Record<string, object>> = {};
  for (const { topic, group, mode, popShareQueueCount } of modes) {
    const groups = (table[topic] ??= {});
    groups[group] = { consumerGroup: group, mode, popShareQueueNum: popShareQueueCount, topic };
  }
  return table;
}

function objectOf(
  table: ReadonlyMap<string, ReadonlyMap<string, number>>,
): Record<string, Record<string, number>> {
  return Object.fromEntries([...table].map(([key, items]) => [key, Object.fromEntries(items)]));
}

/**
 * `checkpoint` without times, and `abort`: Apache's broker looks at the newest ten segments again, which gives it
 * its key index; the queues are there already (facts/store.md §7, §16.4).
 */
export async function writeCheckpoint(files: Files, to: string, endOffset: number): Promise<void> {
  const checkpoint = Buffer.alloc(4_096);
  putInt64(checkpoint, 32, endOffset);
  await files.replaceFile(`${to}/checkpoint`, checkpoint);
  await files.replaceFile(`${to}/abort`, Buffer.from('0'));
}
