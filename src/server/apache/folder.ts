/**
 * What a store directory of Apache's broker says beside its log: topics, groups, offsets, how far delays and
 * timers have been handled (facts/store.md §9, §10.3). Reads leniently: missing files are fine, and one that
 * cannot be read gives way to its `.bak`.
 */
import type { Files } from '../../platform/files.ts';
import { RmqError } from '../../protocol/errors.ts';
import { getInt64 } from '../../protocol/message/bytes.ts';
import { groupConfigFromJson } from '../../protocol/remoting/bodies/group-config.ts';
import { parseLenientJson } from '../../protocol/remoting/bodies/lenient-json.ts';
import { numberOr, topicConfigFromJson } from '../../protocol/remoting/bodies/topic-config.ts';
import type { GroupConfig, TopicConfig } from '../broker/api.ts';
import type { RequestMode } from '../broker/groups/request-modes.ts';

/** `topic@group` and the queues' next offsets. */
export interface GroupOffset {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  readonly offset: number;
}

/** How a group was told to consume a topic. */
export interface GroupMode extends RequestMode {
  readonly group: string;
  readonly topic: string;
}

export interface ApacheFolder {
  readonly path: string;
  readonly topics: readonly TopicConfig[];
  readonly groups: readonly GroupConfig[];
  readonly forbidden: readonly { readonly group: string; readonly topic: string }[];
  readonly offsets: readonly GroupOffset[];
  readonly modes: readonly GroupMode[];
  /** Level 1 … to the next offset of its queue. */
  readonly delayOffsets: ReadonlyMap<number, number>;
  readonly timers: TimerCheck | undefined;
  /** False: the broker was killed, and the files may be some seconds behind the log. */
  readonly isClean: boolean;
}

/** facts/store.md §10.3. */
export interface TimerCheck {
  /** Timers of seconds before this have fired. */
  readonly lastReadMs: number;
  /** Records of `rmq_sys_wheel_timer` below this have been taken up. */
  readonly queueOffset: number;
}

/** What a queue number can be at all; the topic is then made from its messages. */
const queueCountMax = 65_536;

/** In `forbiddenTable`: 1 << 2 forbids reading. */
const forbiddenToRead = 4;

/** @throws RmqError USAGE, DATA_DIR_IN_USE, STORE_CORRUPT, NOT_SUPPORTED */
export async function readApacheFolder(files: Files, path: string): Promise<ApacheFolder> {
  if (!(await hasEntry(files, path, 'commitlog'))) {
    throw new RmqError(
      'USAGE',
      `${path} is no store of Apache's broker: it has no folder commitlog`,
      {
        hint: 'name the folder that its storePathRootDir says',
      },
    );
  }
  await refuseRunning(files, path);
  const config = `${path}/config`;
  if (
    !(await hasEntry(files, config, 'topics.json')) &&
    (await hasEntry(files, config, 'topics'))
  ) {
    throw new RmqError('NOT_SUPPORTED', `${config} has its topics in RocksDB, not in JSON`, {
      hint: 'let Apache write them out first: mqadmin rocksDBConfigToJson',
    });
  }
  const groups = await readJson(files, config, 'subscriptionGroup.json');
  const topics = await readJson(files, config, 'topics.json');
  return {
    path,
    topics: valuesOf(topics, 'topicConfigTable').flatMap((one) => topicOf(one) ?? []),
    groups: valuesOf(groups, 'subscriptionGroupTable').flatMap(
      (one) => groupConfigFromJson(one) ?? [],
    ),
    forbidden: forbiddenOf(groups),
    offsets: await readOffsets(files, config),
    modes: modesOf(await readJson(files, config, 'messageRequestMode.json')),
    delayOffsets: numbersOf(
      objectOf(await readJson(files, config, 'delayOffset.json'))['offsetTable'],
    ),
    timers: await readTimerCheck(files, config),
    isClean: !(await hasEntry(files, path, 'abort')),
  };
}

export async function hasEntry(files: Files, folder: string, name: string): Promise<boolean> {
  try {
    await files.stat(`${folder}/${name}`);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

export function isMissing(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code; // Node's errors carry a code
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** `abort` names the process that has the store, or had it when it died; facts/store.md §8. */
async function refuseRunning(files: Files, path: string): Promise<void> {
  const pid = await readText(files, `${path}/abort`);
  if (pid === undefined || !/^\d+$/.test(pid)) return;
  const commandLine = (await readText(files, `/proc/${pid}/cmdline`)) ?? '';
  if (!/rocketmq|BrokerStartup|ProxyStartup/.test(commandLine)) return;
  throw new RmqError(
    'DATA_DIR_IN_USE',
    `the store ${path} is in use: Apache's broker runs (pid ${pid})`,
    {
      hint: 'stop that broker first',
    },
  );
}

async function readText(files: Files, path: string): Promise<string | undefined> {
  try {
    return (await files.readFile(path)).toString('utf8').trim();
  } catch {
    return undefined; // Not there, or not for us to read: it says nothing.
  }
}

async function readJson(files: Files, folder: string, name: string): Promise<unknown> {
  let problem: unknown;
  for (const path of [`${folder}/${name}`, `${folder}/${name}.bak`]) {
    let bytes: Buffer;
    try {
      bytes = await files.readFile(path);
    } catch (error) {
      if (isMissing(error)) continue;
      throw error;
    }
    try {
      if (bytes.length > 0) return parseLenientJson(bytes);
    } catch (error) {
      problem ??= error;
    }
  }
  if (problem === undefined) return {};
  throw new RmqError('STORE_CORRUPT', `${folder}/${name} and its .bak cannot be read`, {
    hint: 'mend the file, or move both away to go on without what they say',
    cause: problem,
  });
}

/** `lmqConsumerOffset.json` stands in for the other file while light queues are on; the newer one counts. */
async function readOffsets(files: Files, config: string): Promise<GroupOffset[]> {
  const found = new Map<string, GroupOffset>();
  const names = ['consumerOffset.json', 'lmqConsumerOffset.json'];
  const tables = await Promise.all(names.map((name) => readJson(files, config, name)));
  tables.sort((a, b) => versionOf(a) - versionOf(b));
  for (const table of tables.map(objectOf)) {
    for (const [key, offsets] of Object.entries(objectOf(table['offsetTable']))) {
      for (const [queueId, offset] of numbersOf(offsets)) add(found, key, queueId, offset);
    }
    for (const [key, offset] of Object.entries(objectOf(table['lmqOffsetTable']))) {
      if (typeof offset === 'number') add(found, key, 0, offset);
    }
  }
  return [...found.values()];
}

function add(found: Map<string, GroupOffset>, key: string, queueId: number, offset: number): void {
  const [topic, group, ...more] = key.split('@');
  if (topic === undefined || group === undefined || more.length > 0) return;
  found.set(`${key}@${queueId}`, { topic, group, queueId, offset: Math.max(0, offset) });
}

function versionOf(table: unknown): number {
  const { timestamp, counter } = objectOf(objectOf(table)['dataVersion']);
  return typeof timestamp === 'number' ? timestamp + Math.min(1, Number(counter) || 0) : 0;
}

function forbiddenOf(groups: unknown): { group: string; topic: string }[] {
  const found: { group: string; topic: string }[] = [];
  for (const [group, topics] of Object.entries(objectOf(objectOf(groups)['forbiddenTable']))) {
    for (const [topic, bits] of Object.entries(objectOf(topics))) {
      if (typeof bits === 'number' && (bits & forbiddenToRead) !== 0) found.push({ group, topic });
    }
  }
  return found;
}

function modesOf(json: unknown): GroupMode[] {
  return valuesOf(json, 'messageRequestModeMap').flatMap((groups) =>
    Object.values(objectOf(groups))
      .map(objectOf)
      .flatMap(({ topic, consumerGroup: group, mode, popShareQueueNum }) => {
        if (typeof topic !== 'string' || typeof group !== 'string') return [];
        if (mode !== 'PULL' && mode !== 'POP') return [];
        return [{ topic, group, mode, popShareQueueCount: numberOr(popShareQueueNum, 0) }];
      }),
  );
}

async function readTimerCheck(files: Files, config: string): Promise<TimerCheck | undefined> {
  let bytes: Buffer;
  try {
    bytes = await files.readFile(`${config}/timercheck`);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  if (bytes.length < 24) return undefined;
  return { lastReadMs: getInt64(bytes, 0), queueOffset: getInt64(bytes, 16) };
}

function topicOf(json: unknown): TopicConfig | undefined {
  const topic = topicConfigFromJson(json);
  const isCount = (count: number): boolean =>
    Number.isInteger(count) && count >= 0 && count <= queueCountMax;
  const isPossible =
    topic !== undefined && isCount(topic.readQueueCount) && isCount(topic.writeQueueCount);
  return isPossible ? topic : undefined;
}

function valuesOf(json: unknown, name: string): unknown[] {
  return Object.values(objectOf(objectOf(json)[name]));
}

function objectOf(value: unknown): Record<string, unknown> {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as Record<string, unknown>) : {}; // by the line above
}

function numbersOf(value: unknown): Map<number, number> {
  const found = new Map<number, number>();
  for (const [key, item] of Object.entries(objectOf(value))) {
    const isNumber = /^\d+$/.test(key) && typeof item === 'number' && Number.isSafeInteger(item);
    if (isNumber) found.set(Number(key), item);
  }
  return found;
}
