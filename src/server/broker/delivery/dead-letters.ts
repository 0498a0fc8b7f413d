/** Copies of messages that nobody could consume, in `%DLQ%group`; facts/grpc-v2.md §8. */
import type { RmqError } from '../../../protocol/errors.ts';
import type { StoredMessage } from '../../../protocol/message/message.ts';
import { encodeOffsetMessageId } from '../../../protocol/message/message-id.ts';
import { deadLetterTopicOf } from '../../../protocol/message/names.ts';
import {
  findProperty,
  withoutProperties,
  withProperties,
} from '../../../protocol/message/properties.ts';
import { PropertyName } from '../../../protocol/message/property-names.ts';
import type { Logger } from '../../shared/logger.ts';
import type { Appended, MessageStore } from '../../store/message-store.ts';
import { type TopicTable, topicOf } from '../topics/topic-table.ts';

export class DeadLetters {
  readonly #store: MessageStore;
  readonly #topics: TopicTable;
  readonly #logger: Logger;

  constructor(options: {
    readonly store: MessageStore;
    readonly topics: TopicTable;
    readonly logger: Logger;
  }) {
    this.#store = options.store;
    this.#topics = options.topics;
    this.#logger = options.logger;
  }

  /** Appends a copy after `attempt` deliveries; `done` without an error once it is kept. */
  add(
    group: string,
    message: StoredMessage,
    attempt: number,
    done: (error: RmqError | undefined) => void,
  ): void {
    const topic = deadLetterTopicOf(group);
    if (this.#topics.get(topic) === undefined) this.#topics.set(topicOf(topic, 1));
    const id = encodeOffsetMessageId(message.storeHost, message.physicalOffset);
    const firstTopic = findProperty(message.properties, 'RETRY_TOPIC') ?? message.topic;
    const firstId = findProperty(message.properties, 'ORIGIN_MESSAGE_ID') ?? id;
    const uniqueKey = findProperty(message.properties, 'UNIQ_KEY') ?? id;
    // A delay that has passed must not delay the copy, nor end its timer again.
    const kept = withoutProperties(message.properties, [
      PropertyName.delayLevel,
      PropertyName.timerDeliverMs,
      PropertyName.timerSource,
    ]);
    const properties = withProperties(
      kept,
      new Map([
        ['RETRY_TOPIC', firstTopic],
        ['ORIGIN_MESSAGE_ID', firstId],
        ['DLQ_ORIGIN_TOPIC', firstTopic],
        ['DLQ_ORIGIN_MESSAGE_ID', uniqueKey],
      ]),
    );
    const draft = { ...message, topic, queueId: 0, properties, reconsumeTimes: attempt };
    const appended = (result: readonly Appended[] | RmqError): void => {
      if (result instanceof Error) return done(result);
      this.#logger.debug('dead letter', { group, topic: message.topic, attempts: attempt });
      done(undefined);
    };
    this.#store.append([draft], (result) => {
      const isTooLarge = result instanceof Error && result.code === 'PROPERTIES_TOO_LARGE';
      if (!isTooLarge) return appended(result);
      // Where it comes from does not fit beside its own properties. It would be tried for ever.
      this.#store.append([{ ...draft, properties: kept }], appended);
    });
  }
}
