/**
 * What must hold after a restart: each queue has offsets without gaps, the index names the records that
 * the log has and no others, every acknowledged message is there with its bytes at the offset it was
 * answered with, and no committed offset passes what was not consumed.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RmqError } from '../../src/protocol/errors.ts';
import type { QueueOffset, StoredMessage } from '../../src/protocol/message/message.ts';
import { RecordCheck, RecordLayout, StoredRecord } from '../../src/protocol/message/record.ts';
import type { RemoteBroker } from '../../src/server/proxy/remote-broker.ts';
import type { BrokerModel, SimMessage } from '../sim/broker-model.ts';
import { check } from '../sim/store-model.ts';
import { consumerGroup, identify, pullGroup, queuedKinds, topicOfKind } from './messages.ts';

/** Returns how many messages are there. @throws CheckFailure naming the promise that was broken. */
export async function verify(
  broker: RemoteBroker,
  dataDir: string,
  model: BrokerModel,
  sizes: readonly number[],
): Promise<number> {
  const ends = new Map<string, Awaited<ReturnType<RemoteBroker['topicQueues']>>>();
  for (const kind of queuedKinds) ends.set(kind, await broker.topicQueues(topicOfKind[kind]));
  const records = await readLog(join(dataDir, 'broker', 'commitlog'));
  const seen = new Set<SimMessage>();
  for (const kind of queuedKinds) {
    const topic = topicOfKind[kind];
    for (const { queueId, minOffset, maxOffset } of ends.get(kind) ?? []) {
      check(minOffset === 0, `${topic}/${queueId} begins at ${minOffset}`);
      const inLog = records.get(`${topic}/${queueId}`) ?? [];
      check(
        // Delayed messages go on arriving.
        kind === 'delay' ? inLog.length >= maxOffset : inLog.length === maxOffset,
        `${topic}/${queueId}: ${maxOffset} in the index, ${inLog.length} in the log`,
      );
      for await (const stored of pullAll(broker, topic, queueId, maxOffset)) {
        const message = identify(model, sizes, stored);
        checkStored(message, stored, inLog[stored.queueOffset]);
        check(!seen.has(message), `message ${message.number} is there twice`);
        seen.add(message);
      }
    }
  }
  for (const message of model.messages) checkKept(message, seen);
  await checkOffsets(broker, model);
  return seen.size;
}

function checkStored(message: SimMessage, stored: StoredMessage, inLog: number | undefined): void {
  const name = `message ${message.number} (${message.kind})`;
  check(
    inLog === stored.physicalOffset,
    `${name}: the index says ${stored.physicalOffset}, the log ${inLog}`,
  );
  check(
    message.queueOffset < 0 || message.queueOffset === stored.queueOffset,
    `${name} was answered as @${message.queueOffset}, is @${stored.queueOffset}`,
  );
  check(
    message.queueId < 0 || message.queueId === stored.queueId,
    `${name} is in queue ${stored.queueId}`,
  );
  check(
    !(message.kind === 'transaction' && message.decision === 'ROLLBACK'),
    `${name} is visible though it is rolled back`,
  );
}

function checkKept(message: SimMessage, seen: ReadonlySet<SimMessage>): void {
  // Visible once committed or due, or to who subscribes: see the end of a run.
  if (['transaction', 'delay', 'lite'].includes(message.kind)) return;
  check(
    message.state !== 'acked' || seen.has(message),
    `message ${message.number} of ${message.topic}/${message.queueId}@${message.queueOffset} was acknowledged and is gone`,
  );
}

/** No committed offset passes what was not consumed. @throws CheckFailure */
export async function checkOffsets(broker: RemoteBroker, model: BrokerModel): Promise<void> {
  for (const kind of queuedKinds) {
    const topic = topicOfKind[kind];
    for (const { queueId } of await broker.topicQueues(topic)) {
      const group = kind === 'pull' ? pullGroup : consumerGroup;
      const committed = await broker.getOffset(group, topic, queueId);
      if (committed !== undefined) model.checkCommitted(topic, queueId, committed);
    }
  }
}

async function* pullAll(
  broker: RemoteBroker,
  topic: string,
  queueId: number,
  maxOffset: number,
): AsyncIterable<StoredMessage> {
  for (let next = 0; next < maxOffset; ) {
    const request = {
      group: 'crash-verifier',
      topic,
      queueId,
      offset: next as QueueOffset,
      maxCount: 32,
      maxSizeBytes: 8 << 20,
      filter: { type: 'TAG', expression: '*' },
      pollingTimeMs: 0,
    } as const;
    const result = await new Promise<Parameters<Parameters<RemoteBroker['pull']>[1]>[0]>(
      (resolve) => broker.pull(request, resolve),
    );
    if (result instanceof RmqError) throw result;
    check(result.messages.length > 0, `${topic}/${queueId}@${next}: ${result.status}`);
    for (const message of result.messages.slice(0, maxOffset - next)) {
      check(message.queueOffset === next, `${topic}/${queueId}@${next} is missing`);
      next += 1;
      yield message;
    }
  }
}

/** Physical offsets of the log's records by queue and queue offset, read from the files themselves. */
async function readLog(folder: string): Promise<Map<string, number[]>> {
  const found = new Map<string, number[]>();
  for (const name of (await readdir(folder)).sort()) {
    const bytes = await readFile(join(folder, name));
    const layout = new RecordLayout();
    for (let at = 0; layout.read(bytes, at, bytes.length, RecordCheck.checksums) === 'record'; ) {
      const record = new StoredRecord(bytes, at, layout);
      const queue = `${record.topic}/${record.queueId}`;
      const offsets = found.get(queue) ?? [];
      offsets[record.queueOffset] = record.physicalOffset;
      found.set(queue, offsets);
      at += layout.size;
    }
  }
  return found;
}
