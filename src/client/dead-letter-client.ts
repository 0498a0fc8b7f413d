/**
 * Dead letters of a group, `%DLQ%group`, and how far they have been sent again. That place is kept by the
 * brokers, as the offset of the tools' group in that topic: whoever goes on, and from wherever, finds it.
 */
import { RmqError } from '../protocol/errors.ts';
import { deadLetterTopicOf } from '../protocol/message/names.ts';
import { RequestCode, ResponseCode } from '../protocol/remoting/codes.ts';
import {
  offsetAnswer,
  queryOffsetHeader,
  updateOffsetHeader,
} from '../protocol/remoting/headers/offsets.ts';
import type { AdminClient, QueueAddress } from './admin-client.ts';

/** There on every broker, Apache's too; nobody else commits with it. */
const toolsGroup = 'TOOLS_CONSUMER';

export interface DeadLetterQueue extends QueueAddress {
  readonly minOffset: number;
  readonly maxOffset: number;
  /** First dead letter that was not sent again yet, within what the queue holds. */
  readonly nextOffset: number;
}

/** @throws RmqError TOPIC_NOT_FOUND when the group has never had a dead letter. */
export async function deadLetterQueues(
  admin: AdminClient,
  group: string,
): Promise<readonly DeadLetterQueue[]> {
  const queues = await admin.queues(deadLetterTopicOf(group));
  return Promise.all(
    queues.map(async (queue) => {
      const [minOffset, maxOffset, kept] = await Promise.all([
        admin.minOffset(queue),
        admin.maxOffset(queue),
        keptOffset(admin, queue),
      ]);
      // Beyond the end: the topic was deleted and made anew.
      const isKnown = kept !== undefined && kept <= maxOffset;
      return {
        ...queue,
        minOffset,
        maxOffset,
        nextOffset: Math.max(minOffset, isKnown ? kept : 0),
      };
    }),
  );
}

async function keptOffset(admin: AdminClient, queue: QueueAddress): Promise<number | undefined> {
  const { topic, queueId, brokerName } = queue;
  const fields = queryOffsetHeader.encode({
    group: toolsGroup,
    topic,
    queueId,
    isZeroIfNotFound: false,
    brokerName,
  });
  try {
    const answer = await admin.call(queue.address, RequestCode.QUERY_CONSUMER_OFFSET, fields);
    return answer.code === ResponseCode.SUCCESS
      ? offsetAnswer.decode(answer.extFields).offset
      : undefined;
  } catch (error) {
    if (error instanceof RmqError && error.code === 'OFFSET_NOT_FOUND') return undefined;
    throw error;
  }
}

/** Everything before `offset` has been sent again. */
export async function keepOffset(
  admin: AdminClient,
  queue: QueueAddress,
  offset: number,
): Promise<void> {
  const { topic, queueId, brokerName } = queue;
  const commit = { group: toolsGroup, topic, queueId, commitOffset: offset, brokerName };
  const fields = updateOffsetHeader.encode(commit);
  await admin.call(queue.address, RequestCode.UPDATE_CONSUMER_OFFSET, fields);
}
