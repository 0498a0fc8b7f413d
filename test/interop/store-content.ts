/** A store of ours with messages of every kind, and what an honest reader finds in it. */
import { contentOf, rawMessagesOf } from '../support/offline-store.ts';
import { OwnStore } from '../support/own-store.ts';

/** A message as the reader of the recorded stores lists it. */
export interface ReadMessage {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly recordSha1: string;
  readonly keys: string | null;
  readonly sysFlag?: number;
}

export interface ApacheReading {
  readonly messages: readonly ReadMessage[];
}

/** KEYS of what is to happen on the other side. */
export interface Filled {
  /** They wait for their time. */
  readonly waiting: ReadonlySet<string>;
  /** Of those: due within seconds, or long ago. */
  readonly due: ReadonlySet<string>;
  /** Half messages that nobody has decided about. */
  readonly open: ReadonlySet<string>;
}

/** What the exported store holds, whoever wrote it. */
export interface Expected extends Filled {
  readonly messages: readonly ReadMessage[];
}

export async function fillOwnStore(dataDir: string): Promise<Filled> {
  // Apache's broker takes segments of any size, but none below a mebibyte makes sense.
  const own = await OwnStore.open(dataDir, { segmentSizeBytes: 1 << 20 });
  await own.topic('orders', 4);
  await own.topic('steps', 2, 'FIFO');
  await own.topic('times', 2, 'DELAY');
  await own.topic('deals', 2, 'TRANSACTION');
  for (let index = 0; index < 400; index++) {
    const tags = index % 3 === 0 ? { TAGS: `tag-${index % 2}` } : {};
    const body = 'x'.repeat(1 + ((index * 37) % 9_000));
    await own.send('orders', body, { KEYS: `order-${index}`, ...tags }, index % 4);
  }
  for (let index = 0; index < 20; index++) {
    const properties = { KEYS: `step-${index}`, __SHARDINGKEY: `group-${index % 3}` };
    await own.send('steps', 'step', properties, index % 2);
  }
  const filled = { ...(await fillTimes(own)), open: await fillDeals(own) };
  const { messages } = await own.pop('orders', 'billing', 20);
  const handles = messages.slice(0, 12).map(({ receiptHandle }) => receiptHandle);
  await own.ack('orders', 'billing', handles);
  await own.commit('orders', 'readers', 2, 50);
  await own.close();
  return filled;
}

async function fillTimes(own: OwnStore): Promise<Pick<Filled, 'waiting' | 'due'>> {
  const at = (key: string, delayMs: number): Record<string, string> => {
    return { KEYS: key, UNIQ_KEY: key, TIMER_DELAY_MS: String(delayMs) };
  };
  for (let index = 0; index < 5; index++) await own.send('times', 'fires', at(`fired-${index}`, 1));
  await own.pop('times', 'watchers', 5);
  await own.send('times', 'a day', at('day', 86_400_000), 1);
  await own.send('times', 'nine days', at('nine-days', 9 * 86_400_000), 1);
  await own.send('times', 'seconds', at('seconds', 14_000), 1);
  await own.send('times', 'two hours', { KEYS: 'level-18', DELAY: '18' });
  await own.send('times', 'five seconds', { KEYS: 'level-2', DELAY: '2' });
  const recalled = await own.send('times', 'never', at('recalled', 60_000));
  await own.recall('times', String(recalled.recallHandle));
  return {
    waiting: new Set(['day', 'nine-days', 'seconds', 'level-18', 'level-2']),
    due: new Set(['seconds', 'level-2']),
  };
}

async function fillDeals(own: OwnStore): Promise<ReadonlySet<string>> {
  const half = (key: string): Record<string, string> => {
    return { KEYS: key, UNIQ_KEY: key, TRAN_MSG: 'true', PGROUP: 'producers' };
  };
  await own.send('deals', 'open', half('open-0'));
  for (let index = 0; index < 3; index++) {
    await own.end('deals', await own.send('deals', 'c', half(`committed-${index}`)), 'COMMIT');
    await own.end('deals', await own.send('deals', 'r', half(`rolled-back-${index}`)), 'ROLLBACK');
  }
  await own.send('deals', 'open', half('open-1'), 1);
  return new Set(['open-0', 'open-1']);
}

export async function expectedOfOwn(dataDir: string, filled: Filled): Promise<Expected> {
  const messages = await rawMessagesOf(dataDir);
  const { timers } = await contentOf(dataDir);
  if (timers.length !== filled.waiting.size) throw new Error(`${timers.length} timers wait`);
  return { messages, ...filled };
}
