/**
 * Delivery by pop with much in flight, and in order with many message groups:
 * `node test/bench/delivery.ts [PATTERN]`. Each line: messages a second popped and acknowledged, and the
 * longest time for which the event loop was held up.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { MessageDraft } from '../../src/protocol/message/message.ts';
import { encodeProperties } from '../../src/protocol/message/properties.ts';
import type { PopRequest, PopResult } from '../../src/server/broker/api.ts';
import type { Broker } from '../../src/server/broker/broker.ts';
import { topicOf } from '../../src/server/broker/topics/topic-table.ts';
import { plainDraft } from '../support/plain-draft.ts';
import { startBroker } from './bench-broker.ts';

const pattern = new RegExp(process.argv[2] ?? '');
const body = Buffer.alloc(128, 7);
const runLongestMs = 15_000;

function draftOf(topic: string, queueId: number, group: string): MessageDraft {
  return plainDraft({
    topic,
    queueId,
    body,
    properties: group === '' ? Buffer.alloc(0) : encodeProperties({ __SHARDINGKEY: group }),
  });
}

/** Sends in batches; `place` says queue and message group of the n-th. */
async function fill(
  broker: Broker,
  topic: string,
  count: number,
  place: (index: number) => { readonly queueId: number; readonly group: string },
): Promise<void> {
  const byQueue = new Map<number, MessageDraft[]>();
  for (let index = 0; index < count; index++) {
    const { queueId, group } = place(index);
    const list = byQueue.get(queueId) ?? [];
    list.push(draftOf(topic, queueId, group));
    byQueue.set(queueId, list);
  }
  for (const list of byQueue.values()) {
    for (let at = 0; at < list.length; at += 500) {
      const drafts = list.slice(at, at + 500);
      await new Promise<void>((resolve, reject) => {
        broker.send({ drafts, producerGroup: 'p', createFrom: undefined }, (result) =>
          result instanceof Error ? reject(result) : resolve(),
        );
      });
    }
  }
}

function pop(broker: Broker, request: Partial<PopRequest>): Promise<PopResult> {
  return new Promise((resolve, reject) => {
    broker.pop(
      {
        group: 'g',
        topic: 't',
        queueId: -1,
        maxCount: 32,
        invisibleTimeMs: 3_600_000,
        pollingTimeMs: 0,
        filter: { type: 'TAG', expression: '*' },
        startFrom: 'MIN',
        isOrdered: false,
        attemptId: undefined,
        ...request,
      },
      (result) => (result instanceof Error ? reject(result) : resolve(result)),
    );
  });
}

function ack(broker: Broker, topic: string, receiptHandles: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    broker.ack({ group: 'g', topic, receiptHandles }, (result) =>
      result instanceof Error ? reject(result) : resolve(),
    );
  });
}

/** Pops and acknowledges by `consumerCount` consumers until `count` messages are done. */
async function consume(
  name: string,
  broker: Broker,
  options: {
    readonly count: number;
    readonly consumerCount: number;
    readonly request: Partial<PopRequest>;
  },
): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const topic = options.request.topic ?? 't';
  let done = 0;
  const begunMs = performance.now();
  delay.enable();
  const consumer = async (): Promise<void> => {
    while (done < options.count && performance.now() - begunMs < runLongestMs) {
      const { messages } = await pop(broker, options.request);
      await ack(
        broker,
        topic,
        messages.map((one) => one.receiptHandle),
      );
      done += messages.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await Promise.all(Array.from({ length: options.consumerCount }, consumer));
  const tookMs = performance.now() - begunMs;
  delay.disable();
  const rate = Math.round((done / tookMs) * 1000);
  const stallMs = (delay.max / 1e6).toFixed(1);
  console.log(
    `${name.padEnd(44)}${String(rate).padStart(9)} messages/s   ${stallMs.padStart(7)} ms longest stall   ${done} done`,
  );
}

async function skip(name: string, held: number, stop: () => Promise<void>): Promise<void> {
  console.log(`${name.padEnd(44)} no: only ${held} may be`);
  await stop();
}

async function plain(inFlightCount: number): Promise<void> {
  const name = `pop 32 + ack, ${inFlightCount} in flight`;
  if (!pattern.test(name)) return;
  const { broker, stop } = await startBroker('async');
  const count = 200_000;
  await broker.putTopic(topicOf('t', 1));
  await fill(broker, 't', inFlightCount + count, () => ({ queueId: 0, group: '' }));
  for (let held = 0; held < inFlightCount; ) {
    const { messages } = await pop(broker, { maxCount: Math.min(32, inFlightCount - held) });
    held += messages.length;
    if (messages.length === 0) return skip(name, held, stop);
  }
  await consume(name, broker, { count, consumerCount: 1, request: {} });
  await stop();
}

async function ordered(groupCount: number, perGroup: number): Promise<void> {
  const name = `in order, ${groupCount} groups, 8 queues, 8 consumers`;
  if (!pattern.test(name)) return;
  const { broker, stop } = await startBroker('async');
  await broker.putTopic(topicOf('t', 8));
  const count = groupCount * perGroup;
  await fill(broker, 't', count, (index) => {
    const group = index % groupCount;
    return { queueId: group % 8, group: `group-${group}` };
  });
  await consume(name, broker, { count, consumerCount: 8, request: { isOrdered: true } });
  await stop();
}

/** Every message group has its head in flight: what comes behind is held back. */
async function blocked(heldBackCount: number): Promise<void> {
  const name = `in order, ${heldBackCount} held back behind one group`;
  if (!pattern.test(name)) return;
  const { broker, stop } = await startBroker('async');
  await broker.putTopic(topicOf('t', 1));
  const count = 200_000;
  await fill(broker, 't', 1, () => ({ queueId: 0, group: 'slow' }));
  await pop(broker, { isOrdered: true, maxCount: 1 });
  await fill(broker, 't', heldBackCount, () => ({ queueId: 0, group: 'slow' }));
  await fill(broker, 't', count, (index) => ({ queueId: 0, group: `group-${index % 1_000}` }));
  await consume(name, broker, { count, consumerCount: 1, request: { isOrdered: true } });
  await stop();
}

await plain(1);
await plain(10_000);
await plain(19_000);
await plain(100_000);
await ordered(10_000, 10);
await blocked(1_900);
await blocked(50_000);
