/** Lines of an import that are settings: a topic, a group, the place of a group in a queue. */
import type { AdminClient } from '../../client/admin-client.ts';
import { getGroup, setOffset } from '../../client/group-client.ts';
import { putTopicConfig } from '../../client/topic-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import { checkTopicName, groupNameProblem } from '../../protocol/message/names.ts';
import {
  type GroupConfigBody,
  groupConfigFromJson,
  groupConfigToJson,
} from '../../protocol/remoting/bodies/group-config.ts';
import {
  numberOr,
  type TopicConfigBody,
  textMap,
} from '../../protocol/remoting/bodies/topic-config.ts';

export type ImportedSetting = 'changed' | 'unchanged';

type Line = Readonly<Record<string, unknown>>;

/** @throws RmqError USAGE naming `where` the line is. */
export function importSetting(
  admin: AdminClient,
  line: Line,
  where: string,
  options: { readonly offsets: 'exact' | 'time'; readonly dryRun: boolean },
): Promise<ImportedSetting> {
  switch (line['kind']) {
    case 'topic':
      return importTopic(admin, line, where, options.dryRun);
    case 'group':
      return importGroup(admin, line, where, options.dryRun);
    default:
      return importOffset(admin, line, where, options);
  }
}

async function importTopic(
  admin: AdminClient,
  line: Line,
  where: string,
  isDryRun: boolean,
): Promise<ImportedSetting> {
  const topic = textOf(line, 'topic', where);
  checkTopicName(topic);
  const config: TopicConfigBody = {
    topic,
    readQueueCount: numberOr(line['readQueueCount'], 4),
    writeQueueCount: numberOr(line['writeQueueCount'], 4),
    permission: numberOr(line['permission'], 6),
    filterType: line['filterType'] === 'MULTI_TAG' ? 'MULTI_TAG' : 'SINGLE_TAG',
    systemFlag: numberOr(line['systemFlag'], 0),
    isOrdered: line['isOrdered'] === true,
    attributes: textMap(line['attributes']),
  };
  const found = await admin.getTopic(topic);
  const masters = await admin.masters();
  const missing = masters.filter(({ brokerName }) => {
    const there = found.find((one) => one.brokerName === brokerName);
    return there === undefined || topicKey(there) !== topicKey(config);
  });
  if (missing.length === 0) return 'unchanged';
  const attributes = Object.fromEntries(
    Object.entries(config.attributes).map(([name, value]) => [`+${name}`, value]),
  );
  for (const master of isDryRun ? [] : missing) {
    await putTopicConfig(admin, master, { ...config, attributes });
  }
  return 'changed';
}

function topicKey(config: TopicConfigBody): string {
  const { readQueueCount, writeQueueCount, permission, isOrdered, attributes } = config;
  const sorted = Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([readQueueCount, writeQueueCount, permission, isOrdered, sorted]);
}

async function importGroup(
  admin: AdminClient,
  line: Line,
  where: string,
  isDryRun: boolean,
): Promise<ImportedSetting> {
  const group = textOf(line, 'group', where);
  const problem = groupNameProblem(group);
  if (problem !== undefined) throw new RmqError('ILLEGAL_GROUP', `${where}: ${problem}`);
  const defaults = groupConfigFromJson({ groupName: group });
  if (defaults === undefined) throw new RmqError('USAGE', `${where}: there is no "group"`);
  const names = Object.keys(defaults).filter(
    (name) => typeof line[name] === typeOf(defaults, name),
  );
  const config = {
    ...defaults,
    ...Object.fromEntries(names.map((name) => [name, line[name]])),
  } as GroupConfigBody; // each field has the type of its default
  const found = await getGroup(admin, group);
  const masters = await admin.masters();
  const isThere = found !== undefined && found.brokerNames.length === masters.length;
  if (isThere && groupKey(found.config) === groupKey(config)) return 'unchanged';
  if (!isDryRun) await admin.putGroup(config);
  return 'changed';
}

function typeOf(config: GroupConfigBody, name: string): string {
  return typeof (config as unknown as Line)[name];
}

function groupKey(config: GroupConfigBody): string {
  return JSON.stringify(groupConfigToJson(config));
}

async function importOffset(
  admin: AdminClient,
  line: Line,
  where: string,
  { offsets, dryRun }: { readonly offsets: 'exact' | 'time'; readonly dryRun: boolean },
): Promise<ImportedSetting> {
  const [group, topic] = [textOf(line, 'group', where), textOf(line, 'topic', where)];
  const queues = await admin.queues(topic);
  const brokers = new Set(queues.map(({ brokerName }) => brokerName));
  const queue = queues.find(
    ({ queueId, brokerName }) =>
      queueId === line['queueId'] && (brokers.size === 1 || brokerName === line['brokerName']),
  );
  if (queue === undefined) {
    const name = `${String(line['brokerName'])}:${String(line['queueId'])}`;
    throw new RmqError('ILLEGAL_QUEUE', `${where}: topic ${topic} has no queue ${name}`, {
      hint: `see them: rmq topic describe ${topic}`,
    });
  }
  const upTo = Date.parse(String(line['consumedUpTo'] ?? ''));
  const isByTime = offsets === 'time' && !Number.isNaN(upTo);
  const wanted = isByTime ? await admin.offsetByTime(queue, upTo + 1) : Number(line['offset']);
  if (!Number.isSafeInteger(wanted)) throw new RmqError('USAGE', `${where}: there is no "offset"`);
  const [min, max] = await Promise.all([admin.minOffset(queue), admin.maxOffset(queue)]);
  if (!dryRun) await setOffset(admin, group, queue, Math.min(Math.max(wanted, min), max));
  return 'changed';
}

function textOf(line: Line, name: string, where: string): string {
  const value = line[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new RmqError('USAGE', `${where}: there is no "${name}"`);
}
