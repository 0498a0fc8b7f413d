/**
 * CPU of a broker for each message sent, from `Broker.send` to the answer, on a real disk with LevelDB:
 *
 *   node test/bench/hot-send.ts [--messages 300000] [--batch 32] [--in-flight 64] [--flush async]
 *
 * Prints the process's CPU a message, and how much of it the main thread took; what is left went to the
 * writing threads and LevelDB.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { MessageDraft } from '../../src/protocol/message/message.ts';
import { type Bench, startBroker } from './bench-broker.ts';

const { values: flags } = parseArgs({
  options: {
    messages: { type: 'string', default: '300000' },
    batch: { type: 'string', default: '32' },
    'in-flight': { type: 'string', default: '64' },
    flush: { type: 'string', default: 'async' },
  },
});
const messageCount = Number(flags.messages);
const batchCount = Number(flags.batch);
const inFlight = Number(flags['in-flight']);
const topicCount = 4;

let nextId = 0;

/** With properties of the size that clients send: an id and a tag. */
function draftOf(): MessageDraft {
  const id = (nextId++).toString(16).toUpperCase().padStart(34, '0');
  return {
    topic: `bench-${nextId % topicCount}`,
    queueId: -1,
    flag: 0,
    sysFlag: 0,
    bornTimestampMs: 1_700_000_000_000,
    bornHost: { address: Buffer.from([127, 0, 0, 1]), port: 10_911 },
    reconsumeTimes: 0,
    preparedTransactionOffset: 0,
    body: Buffer.alloc(128, 'x'),
    properties: Buffer.from(`UNIQ_KEY\u0001${id}\u0002WAIT\u0001true\u0002TAGS\u0001a\u0002`),
  };
}

function sendAll({ broker }: Bench, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let sent = 0;
    let done = 0;
    const next = (): void => {
      if (sent >= count) return;
      sent += batchCount;
      const first = draftOf();
      const drafts = [first];
      while (drafts.length < batchCount) drafts.push({ ...draftOf(), topic: first.topic });
      const createFrom = { topic: 'TBW102', queueCount: 1 };
      broker.send({ drafts, producerGroup: 'bench', createFrom }, (result) => {
        if (result instanceof Error) return reject(result);
        done += batchCount;
        if (done >= count) return resolve();
        next();
      });
    };
    for (let index = 0; index < inFlight / batchCount; index++) next();
  });
}

/** Ticks of 10 ms of user and system time by thread name; Linux alone tells. */
function threadTicks(): Map<string, number> {
  const ticks = new Map<string, number>();
  try {
    for (const id of readdirSync('/proc/self/task')) {
      const text = readFileSync(`/proc/self/task/${id}/stat`, 'utf8');
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      const name = Number(id) === process.pid ? 'main' : 'other';
      ticks.set(name, (ticks.get(name) ?? 0) + Number(fields[11]) + Number(fields[12]));
    }
  } catch {
    // Elsewhere the total has to do.
  }
  return ticks;
}

const bench = await startBroker(flags.flush === 'sync' ? 'sync' : 'async', 'level');
await sendAll(bench, messageCount / 5);
const before = threadTicks();
const cpu = process.cpuUsage();
const begunMs = performance.now();
await sendAll(bench, messageCount);
const seconds = (performance.now() - begunMs) / 1000;
const { user, system } = process.cpuUsage(cpu);
const after = threadTicks();
await bench.stop();
const perMessage = (us: number): string => (us / messageCount).toFixed(2);
const mainUs = ((after.get('main') ?? 0) - (before.get('main') ?? 0)) * 10_000;
console.log(
  `CPU ${perMessage(user + system)} µs a message, main thread ${perMessage(mainUs)}; ${(messageCount / seconds).toFixed(0)} messages/s`,
);
