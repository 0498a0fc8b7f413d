/** Pull and pop share the committed offset: a group can go from one to the other, at any time. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { QueueOffset } from '../../../../src/protocol/message/message.ts';
import { bodies, TestBroker } from '../../../support/test-broker.ts';

let t: TestBroker;

beforeEach(async () => {
  t = await new TestBroker().start();
  await t.topic('T');
  await t.send('T', ['m0', 'm1', 'm2', 'm3', 'm4', 'm5']);
});

afterEach(async () => {
  await t.stop();
});

function committed(): Promise<number | undefined> {
  return t.broker.getOffset('G', 'T', 0);
}

function commit(offset: number): Promise<void> {
  return t.broker.putOffset('G', 'T', 0, offset as QueueOffset);
}

/** What a pull consumer does: from the committed offset on, and commits what it had. */
async function pullAll(): Promise<string[]> {
  const offset = ((await committed()) ?? 0) as QueueOffset;
  const { answer } = await t.pull({ offset });
  const result = await answer;
  await commit(result.nextOffset);
  return bodies(result.messages.map((message) => ({ message })));
}

test('from pull to pop: it goes on behind what was committed', async () => {
  await commit(4);
  expect(bodies(await t.receive())).toEqual(['m4', 'm5']);
  expect(await committed()).toBe(4);
});

test('from pop to pull: it goes on at the first that is not acknowledged', async () => {
  const got = await t.receive({ maxCount: 4 });
  await t.ack([got[0]!, got[1]!, got[3]!].map((one) => one.receiptHandle));
  expect(await committed()).toBe(2);
  expect(await pullAll()).toEqual(['m2', 'm3', 'm4', 'm5']);
  // What pop had in flight below is done, for good.
  expect(await t.ack([got[2]!.receiptHandle])).toEqual(['OK']);
  await t.clock.advance(60_000);
  expect(await t.receive()).toEqual([]);
});

test('to and fro, over restarts, nothing is left out', async () => {
  const seen: string[] = [];
  for (let round = 0; round < 6; round++) {
    await t.send('T', [`r${round}`]);
    if (round % 2 === 0) seen.push(...(await pullAll()));
    else {
      const got = await t.receive();
      seen.push(...bodies(got));
      await t.ack(got.map((one) => one.receiptHandle));
    }
    await t.clock.advance(200); // by then it is stored
    if (round % 3 === 2) await t.crash();
  }
  expect(new Set(seen).size).toBe(12);
  expect(seen).toHaveLength(12);
});

test('a commit while others of the group pop leaves what they have in flight', async () => {
  const got = await t.receive();
  await commit(2);
  await commit(2);
  expect(await committed()).toBe(2);
  expect(await t.ack(got.slice(2).map((one) => one.receiptHandle))).toEqual(
    Array<string>(4).fill('OK'),
  );
  expect(await committed()).toBe(6);
});

test('a commit frees a message group that was blocked below it', async () => {
  await t.topic('F');
  for (const name of ['a1', 'b1', 'a2']) {
    await t.send('F', [name], { properties: { __SHARDINGKEY: name.slice(0, 1) } });
  }
  const request = { topic: 'F', isOrdered: true } as const;
  await t.receive({ ...request, maxCount: 1 });
  await t.receive({ ...request, maxCount: 1 });
  const waiting = await t.pop({ ...request, pollingTimeMs: 20_000 });
  expect(waiting.isAnswered).toBe(false);
  await t.broker.putOffset('G', 'F', 0, 1 as QueueOffset);
  expect(bodies((await waiting.answer).messages)).toEqual(['a2']);
});

test('a step back delivers again, as does an operator who says so', async () => {
  const got = await t.receive();
  await t.ack(got.map((one) => one.receiptHandle));
  await commit(3);
  expect(bodies(await t.receive())).toEqual(['m3', 'm4', 'm5']);
  await t.broker.resetOffset('G', 'T', 0, 3 as QueueOffset);
  const again = await t.receive();
  expect(bodies(again)).toEqual(['m3', 'm4', 'm5']);
  expect(again[0]!.deliveryAttempt).toBe(1);
});
