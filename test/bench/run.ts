/**
 * The hot paths by themselves, each beside a baseline in the same run, because the machine differs and
 * the ratio does not: `npm run bench [-- PATTERN]`. Times are medians of rounds.
 */
import { randomBytes } from 'node:crypto';
import { nodeClock } from '../../src/platform/node-clock.ts';
import type {
  MessageDraft,
  PhysicalOffset,
  QueueOffset,
} from '../../src/protocol/message/message.ts';
import { findPropertyRange } from '../../src/protocol/message/properties.ts';
import { PropertyScan } from '../../src/protocol/message/property-scan.ts';
import {
  decodeRecord,
  encodeRecord,
  encodeStoredMessages,
  RecordPlacement,
  recordSizeBytes,
} from '../../src/protocol/message/record.ts';
import type { PopResult, SendResult } from '../../src/server/broker/api.ts';
import type { Broker } from '../../src/server/broker/broker.ts';
import { RingQueue } from '../../src/util/ring-queue.ts';
import { TimerWheel } from '../../src/util/timer-wheel.ts';
import { localHost, plainDraft } from '../support/plain-draft.ts';
import { startBroker } from './bench-broker.ts';

const pattern = new RegExp(process.argv[2] ?? '');
const roundCount = 9;

/** Median nanoseconds an operation of `work`, which does `count` of them. */
async function nanoseconds(count: number, work: () => void | Promise<void>): Promise<number> {
  await work(); // the compiler's turn
  const times: number[] = [];
  for (let round = 0; round < roundCount; round += 1) {
    const begunMs = performance.now();
    await work();
    times.push(((performance.now() - begunMs) * 1e6) / count);
  }
  return times.toSorted((a, b) => a - b)[Math.floor(roundCount / 2)] ?? Number.NaN;
}

async function compare(
  name: string,
  count: number,
  ours: () => void | Promise<void>,
  baseline: readonly [string, () => void | Promise<void>],
): Promise<void> {
  if (!pattern.test(name)) return;
  const own = await nanoseconds(count, ours);
  const other = await nanoseconds(count, baseline[1]);
  const ratio = (other / own).toFixed(2);
  console.log(
    `${name.padEnd(36)}${own.toFixed(0).padStart(10)} ns   ${baseline[0].padEnd(34)}${other.toFixed(0).padStart(10)} ns   × ${ratio}`,
  );
}

function draftOf(size: number): MessageDraft {
  return plainDraft({
    topic: 'bench',
    queueId: 0,
    body: randomBytes(size),
    properties: Buffer.from('TAGS\u0001a\u0002KEYS\u0001k1 k2\u0002'),
  });
}

async function codec(): Promise<void> {
  const draft = draftOf(1024);
  const topic = Buffer.from(draft.topic);
  const placement = new RecordPlacement(localHost, true);
  placement.queueOffset = 7 as QueueOffset;
  placement.physicalOffset = 4096 as PhysicalOffset;
  const size = recordSizeBytes(draft, topic.length, placement);
  const out = Buffer.alloc(size);
  const count = 20_000;
  const plain = {
    ...draft,
    body: Buffer.from(draft.body).toString('base64'),
    properties: 'TAGS=a',
  };
  const json = JSON.stringify(plain);
  await compare(
    'record: encode 1 KiB',
    count,
    () => {
      for (let i = 0; i < count; i += 1) encodeRecord(out, 0, draft, topic, placement);
    },
    [
      'JSON.stringify of the same',
      () => {
        for (let i = 0; i < count; i += 1) JSON.stringify(plain);
      },
    ],
  );
  encodeRecord(out, 0, draft, topic, placement);
  await compare(
    'record: check and decode 1 KiB',
    count,
    () => {
      for (let i = 0; i < count; i += 1) decodeRecord(out, 0, size);
    },
    [
      'JSON.parse of the same',
      () => {
        for (let i = 0; i < count; i += 1) JSON.parse(json);
      },
    ],
  );
}

/** What is asked of each message that comes in, and how messages go out to who pulls. */
async function passing(): Promise<void> {
  const properties = Buffer.from(
    `UNIQ_KEY\u0001${'0'.repeat(34)}\u0002WAIT\u0001true\u0002TAGS\u0001a\u0002KEYS\u0001k1 k2\u0002CLUSTER\u0001DefaultCluster\u0002MSG_REGION\u0001DefaultRegion\u0002`,
  );
  const names = ['UNIQ_KEY', 'KEYS', 'TAGS', 'TRAN_MSG', 'POP_CK', 'DELAY'];
  const scan = new PropertyScan();
  const count = 20_000;
  await compare(
    'properties: one pass',
    count,
    () => {
      for (let i = 0; i < count; i += 1) scan.read(properties);
    },
    [
      `a pass for each of ${names.length}`,
      () => {
        for (let i = 0; i < count; i += 1)
          for (const name of names) findPropertyRange(properties, name);
      },
    ],
  );
  const draft = draftOf(128);
  const topic = Buffer.from(draft.topic);
  const placement = new RecordPlacement(localHost, true);
  const size = recordSizeBytes(draft, topic.length, placement);
  const bytes = Buffer.alloc(size);
  encodeRecord(bytes, 0, draft, topic, placement);
  const records = Array.from({ length: 32 }, () => decodeRecord(bytes, 0, size)).filter(
    (record) => record !== undefined,
  );
  const copies = records.map((record) => ({ ...record }));
  await compare(
    'pull: 32 records as they lie',
    count / 32,
    () => {
      for (let i = 0; i < count / 32; i += 1) encodeStoredMessages(records);
    },
    [
      'encoded anew',
      () => {
        for (let i = 0; i < count / 32; i += 1) encodeStoredMessages(copies);
      },
    ],
  );
}

async function queues(): Promise<void> {
  const depth = 100_000;
  await compare(
    'RingQueue: push and shift, 100,000 deep',
    2 * depth,
    () => {
      const queue = new RingQueue<number>();
      for (let i = 0; i < depth; i += 1) queue.push(i);
      for (let i = 0; i < depth; i += 1) queue.shift();
    },
    [
      'Array push and shift',
      () => {
        const queue: number[] = [];
        for (let i = 0; i < depth; i += 1) queue.push(i);
        for (let i = 0; i < depth; i += 1) queue.shift();
      },
    ],
  );
  const wheel = new TimerWheel(nodeClock);
  const nothing = (): void => {};
  await compare(
    'TimerWheel: set and cancel, 100,000',
    depth,
    () => {
      const timers = Array.from({ length: depth }, (_, i) =>
        wheel.set(1000 + (i % 30_000), nothing),
      );
      for (const timer of timers) wheel.cancel(timer);
    },
    [
      'setTimeout and clearTimeout',
      () => {
        const timers = Array.from({ length: depth }, (_, i) =>
          setTimeout(nothing, 1000 + (i % 30_000)),
        );
        for (const timer of timers) clearTimeout(timer);
      },
    ],
  );
  wheel.clear();
}

/** Sends `count` messages, `inFlight` batches at a time; resolves when all are kept. */
function sendAll(
  broker: Broker,
  draft: MessageDraft,
  count: number,
  inFlight: number,
  batchCount = 1,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let sent = 0;
    let done = 0;
    const request = {
      drafts: Array.from({ length: batchCount }, () => draft),
      producerGroup: 'bench',
      createFrom: { topic: 'TBW102', queueCount: 1 },
    };
    const next = (): void => {
      sent += batchCount;
      broker.send(request, (result: readonly SendResult[] | Error) => {
        if (result instanceof Error) return reject(result);
        done += batchCount;
        if (done >= count) resolve();
        else if (sent < count) next();
      });
    };
    for (let i = 0; i < inFlight && sent < count; i += 1) next();
  });
}

/** Pops and acknowledges until `count` messages are done. */
async function popAll(broker: Broker, group: string, count: number): Promise<void> {
  let done = 0;
  while (done < count) {
    const popped = await new Promise<PopResult>((resolve, reject) => {
      const answer = (result: PopResult | Error): void =>
        result instanceof Error ? reject(result) : resolve(result);
      broker.pop(
        {
          group,
          topic: 'bench',
          queueId: 0,
          maxCount: 32,
          invisibleTimeMs: 60_000,
          pollingTimeMs: 1000,
          filter: { type: 'TAG', expression: '*' },
          startFrom: 'MIN',
          isOrdered: false,
          attemptId: undefined,
        },
        answer,
      );
    });
    const receiptHandles = popped.messages.map((message) => message.receiptHandle);
    await new Promise<void>((resolve, reject) => {
      broker.ack({ group, topic: 'bench', receiptHandles }, (result) =>
        result instanceof Error ? reject(result) : resolve(),
      );
    });
    done += receiptHandles.length;
  }
}

async function brokers(): Promise<void> {
  const draft = draftOf(1024);
  const count = 5000;
  const synced = await startBroker('sync');
  const written = await startBroker('async');
  await compare(
    'broker: send 1 KiB synced, 64 in flight',
    count,
    () => sendAll(synced.broker, draft, count, 64),
    ['written only', () => sendAll(written.broker, draft, count, 64)],
  );
  let round = 0;
  await compare(
    'broker: pop 32 and ack',
    count,
    () => popAll(written.broker, `g${round++}`, count),
    ['send, written only', () => sendAll(written.broker, draft, count, 64)],
  );
  const indexed = await startBroker('async', 'level');
  const keyed = {
    ...draftOf(128),
    properties: Buffer.from(`UNIQ_KEY\u0001${'0'.repeat(32)}\u0002`),
  };
  const many = 64_000;
  await compare(
    'broker: send 32 of 128 B, index on disk',
    many,
    () => sendAll(indexed.broker, keyed, many, 4, 32),
    ['index in memory', () => sendAll(written.broker, keyed, many, 4, 32)],
  );
  await indexed.stop();
  await synced.stop();
  await written.stop();
}

await codec();
await passing();
await queues();
await brokers();
