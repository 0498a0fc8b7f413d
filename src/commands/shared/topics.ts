/** Making a topic, for the commands that do. */
import type { AdminClient } from '../../client/admin-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { Context } from './context.ts';

/** Read and write; facts/store.md §9. */
const readWrite = 6;
const pollMs = 20;

export const messageTypes = [
  'NORMAL',
  'FIFO',
  'DELAY',
  'TRANSACTION',
  'PRIORITY',
  'LITE',
  'MIXED',
] as const;

/** `NAME=VALUE` each. @throws RmqError USAGE */
export function parseAttributes(texts: readonly string[] | undefined): Map<string, string> {
  const attributes = new Map<string, string>();
  for (const text of texts ?? []) {
    const equals = text.indexOf('=');
    if (equals < 1) {
      throw new RmqError('USAGE', `--attribute: "${text}" is not allowed: NAME=VALUE`);
    }
    attributes.set(text.slice(0, equals), text.slice(equals + 1));
  }
  return attributes;
}

/** As UPDATE_AND_CREATE_TOPIC takes them; facts/broker.md §1.3. */
function withPlus(attributes: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`+${name}`, value]));
}

/**
 * Creates or changes the topic on every master; resolves once the NameServer routes it.
 * @returns names of the brokers that have it.
 * @throws RmqError TIMEOUT when the route does not appear in time.
 */
export async function makeTopic(
  context: Context,
  admin: AdminClient,
  topic: {
    readonly topic: string;
    readonly messageType: string;
    readonly queueCount: number;
    readonly attributes?: Readonly<Record<string, string>>;
  },
): Promise<readonly string[]> {
  const masters = await admin.putTopic({
    topic: topic.topic,
    queueCount: topic.queueCount,
    permission: readWrite,
    attributes: { '+message.type': topic.messageType, ...withPlus(topic.attributes ?? {}) },
  });
  const deadlineMs = context.clock.monotonicMs() + context.timeoutMs;
  for (;;) {
    const route = await admin.nameserver.route(topic.topic);
    if (route !== undefined && route.queues.length >= masters.length) break;
    if (context.clock.monotonicMs() > deadlineMs) {
      throw new RmqError(
        'TIMEOUT',
        `topic ${topic.topic} is made, but the NameServer has no route yet`,
      );
    }
    await new Promise<void>((resolve) => {
      context.clock.setTimer(pollMs, resolve);
    });
  }
  return masters.map(({ brokerName }) => brokerName);
}
