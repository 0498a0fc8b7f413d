/** The messages of a crash test: their topics, and bodies that tell whether a bit of them is wrong. */
import { findProperty } from '../../src/protocol/message/properties.ts';
import { topicOf } from '../../src/server/broker/topics/topic-table.ts';
import type { RemoteBroker } from '../../src/server/proxy/remote-broker.ts';
import type { BrokerModel, MessageKind, SimMessage } from '../sim/broker-model.ts';
import type { SimRandom } from '../sim/random.ts';
import { check } from '../sim/store-model.ts';

export const queueCount = 4;
export const consumerGroup = 'crash-consumers';
export const pullGroup = 'crash-pullers';
export const liteTopics: readonly string[] = ['lite-0', 'lite-1', 'lite-2'];
const largestBodyBytes = 4 << 20;

export const topicOfKind: Readonly<Record<MessageKind, string>> = {
  delay: 'crash-delay',
  priority: 'crash-priority',
  normal: 'crash-normal',
  fifo: 'crash-fifo',
  transaction: 'crash-transaction',
  lite: 'crash-lite',
  pull: 'crash-pull',
};
/** Those whose topics have queues that can be read by offset. */
export const queuedKinds: readonly MessageKind[] = [
  'normal',
  'fifo',
  'transaction',
  'delay',
  'priority',
  'pull',
];
export const kinds: readonly MessageKind[] = [...queuedKinds, 'lite'];

/** Makes the topics; they are lost with the index. */
export async function putTopics(broker: RemoteBroker): Promise<void> {
  for (const kind of kinds) {
    const attributes = { 'message.type': kind === 'pull' ? 'NORMAL' : kind.toUpperCase() };
    await broker.putTopic(topicOf(topicOfKind[kind], queueCount, 6, attributes));
  }
}

/** The body of a message, computed from its number, so that a single wrong bit shows. */
export function bodyOf(number: number, sizeBytes: number): Buffer {
  const body = Buffer.alloc(sizeBytes);
  let word = Math.imul(number + 1, 0x9e3779b1);
  for (let at = 0; at < sizeBytes; at += 1) {
    word = Math.imul(word, 0x01000193) + 0x6d2b;
    body[at] = word >>> 16;
  }
  return body;
}

/** The message that was stored with these properties and this body; throws when it is none of ours. */
export function identify(
  model: BrokerModel,
  sizes: readonly number[],
  stored: {
    readonly properties: Uint8Array;
    readonly body: Uint8Array;
    readonly queueId: number;
  },
): SimMessage {
  const key = findProperty(stored.properties, 'UNIQ_KEY') ?? '';
  const number = Number(/^crash-(\d+)$/.exec(key)?.[1] ?? Number.NaN);
  const message = model.messages[number];
  const size = sizes[number];
  check(message !== undefined && size !== undefined, `a message ${key} was never sent`);
  check(bodyOf(number, size).equals(stored.body), `message ${number}: the body is another one`);
  // A delayed message whose topic is lost with the index goes to a queue that there is.
  if (message.queueId < 0 || message.kind === 'delay') message.queueId = stored.queueId;
  return message;
}

export function drawSize(random: SimRandom): number {
  const roll = random.fraction();
  if (roll < 0.1) return 1;
  if (roll < 0.7) return random.between(2, 500);
  if (roll < 0.95) return random.between(500, 20_000);
  if (roll < 0.995) return random.between(20_000, 300_000);
  return roll < 0.998 ? largestBodyBytes : random.between(300_000, largestBodyBytes);
}
