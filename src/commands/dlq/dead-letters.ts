/** Dead letters as commands show them. */
import type { AdminClient } from '../../client/admin-client.ts';
import { type DeadLetterQueue, deadLetterQueues } from '../../client/dead-letter-client.ts';
import { getGroup } from '../../client/group-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { StoredMessage } from '../../protocol/message/message.ts';
import { deadLetterTopicOf } from '../../protocol/message/names.ts';
import { decodeProperties } from '../../protocol/message/properties.ts';
import { PropertyName } from '../../protocol/message/property-names.ts';
import { unknownGroup } from '../group/group-row.ts';

/** Empty when the group has none. @throws RmqError GROUP_NOT_FOUND */
export async function queuesOfGroup(
  admin: AdminClient,
  group: string,
): Promise<readonly DeadLetterQueue[]> {
  try {
    return await deadLetterQueues(admin, group);
  } catch (error) {
    if (!(error instanceof RmqError) || error.code !== 'TOPIC_NOT_FOUND') throw error;
    if ((await getGroup(admin, group)) === undefined) throw await unknownGroup(admin, group);
    return []; // the topic is made with the first dead letter
  }
}

/** The topic that the message died in; facts/broker.md §9. */
export function originTopic(message: StoredMessage): string | undefined {
  const properties = decodeProperties(message.properties);
  return properties.get(PropertyName.dlqOriginTopic) ?? properties.get(PropertyName.retryTopic);
}

/** @throws RmqError USAGE when the message does not say where it comes from. */
export function targetOf(message: StoredMessage, to: string | undefined): string {
  const topic = to ?? originTopic(message);
  if (topic !== undefined) return topic;
  const place = `${message.queueId}@${message.queueOffset}`;
  throw new RmqError('USAGE', `dead letter ${place} does not say which topic it died in`, {
    hint: 'name one with --to',
  });
}

/** Old brokers of Apache's make topics of dead letters that nobody may read. */
export function withReadHint(error: unknown, group: string): unknown {
  if (!(error instanceof RmqError) || error.code !== 'NO_PERMISSION') return error;
  return new RmqError('NO_PERMISSION', error.message, {
    hint: `rmq topic update '${deadLetterTopicOf(group)}' --permission rw lets it be read`,
    cause: error,
  });
}
