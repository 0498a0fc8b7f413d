/** The topic in the target: made as it is in the source, where there is none. */
import type { AdminClient } from '../../client/admin-client.ts';
import { putTopicConfig } from '../../client/topic-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { Context } from '../shared/context.ts';
import { pause } from '../shared/progress.ts';

const pollMs = 50;

/** @throws RmqError TOPIC_NOT_FOUND when the source has none, TIMEOUT when it gets no route in time. */
export async function ensureTarget(
  context: Context,
  source: AdminClient,
  target: AdminClient,
  topic: string,
): Promise<void> {
  const [config] = await source.getTopic(topic);
  if (config === undefined) {
    throw new RmqError('TOPIC_NOT_FOUND', `the source has no topic ${topic}`, {
      hint: 'rmq topic list --namesrv SOURCE shows what there is',
    });
  }
  if ((await target.getTopic(topic)).length > 0) return;
  const attributes = Object.fromEntries(
    Object.entries(config.attributes).map(([name, value]) => [`+${name}`, value]),
  );
  const masters = await target.masters();
  for (const master of masters) await putTopicConfig(target, master, { ...config, attributes });
  const deadlineMs = context.clock.monotonicMs() + context.timeoutMs;
  for (;;) {
    const route = await target.nameserver.route(topic);
    if (route !== undefined && route.queues.length >= masters.length) break;
    if (context.clock.monotonicMs() > deadlineMs) {
      throw new RmqError('TIMEOUT', `topic ${topic} is made in the target, but has no route yet`);
    }
    await pause(context, pollMs);
  }
  await context.stderr.write(`topic ${topic} was created in the target\n`);
}
