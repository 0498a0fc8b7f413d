import { afterEach, beforeEach, expect, test } from 'vitest';
import type { RmqError } from '../../../../src/protocol/errors.ts';
import { findProperty } from '../../../../src/protocol/message/properties.ts';
import type {
  EndTransactionRequest,
  SendResult,
  TransactionCheck,
} from '../../../../src/server/broker/api.ts';
import { settle } from '../../../support/manual-clock.ts';
import { bodies, TestBroker } from '../../../support/test-broker.ts';

let t: TestBroker;
let checks: TransactionCheck[];

beforeEach(async () => {
  t = await new TestBroker().start();
  await t.topic('T', 2);
  checks = [];
});

afterEach(async () => {
  await t.stop();
});

const properties = { TRAN_MSG: 'true' };

async function sendHalf(body: string, more: Record<string, string> = {}): Promise<SendResult> {
  const [result] = await t.send('T', [body], {
    queueId: 1,
    properties: { ...properties, ...more },
  });
  return result!;
}

/** Outcome: 'OK' or the error's code. */
async function end(
  half: SendResult,
  resolution: EndTransactionRequest['resolution'],
  request: Partial<EndTransactionRequest> = {},
): Promise<string> {
  const { transactionId } = half;
  const full = {
    topic: 'T',
    producerGroup: 'p',
    transactionId,
    half,
    resolution,
    isFromCheck: false,
    ...request,
  };
  const error = await new Promise<RmqError | undefined>((resolve) => {
    t.broker.endTransaction(full, resolve);
  });
  await settle();
  return error?.code ?? 'OK';
}

/** From now on checks of group `p` arrive in `checks`. */
function listen(): void {
  t.broker.addTransactionChecker({
    producerGroups: () => ['p'],
    hasProducer: (group) => group === 'p',
    check: (check) => {
      checks.push(check);
      return true;
    },
  });
}

async function received(): Promise<string[]> {
  return bodies(await t.receive({ startFrom: 'MIN' }));
}

test('nobody sees a half message before it is committed, once', async () => {
  const half = await sendHalf('a');
  expect(await received()).toEqual([]);
  expect(await end(half, 'COMMIT')).toBe('OK');
  const [message] = await t.receive({ startFrom: 'MIN' });
  expect(Buffer.from(message!.message.body).toString()).toBe('a');
  const stored = message!.message;
  expect([stored.topic, stored.queueId]).toEqual(['T', 1]);
  expect(stored.sysFlag & 0xc).toBe(8);
  expect(stored.preparedTransactionOffset).toBe(half.physicalOffset);
  expect(findProperty(stored.properties, 'REAL_TOPIC')).toBeUndefined();
  expect(await end(half, 'COMMIT')).toBe('TRANSACTION_NOT_FOUND');
  expect(await received()).toEqual([]);
});

test('what was rolled back is never delivered, nor committed after all', async () => {
  const half = await sendHalf('a');
  expect(await end(half, 'ROLLBACK')).toBe('OK');
  expect(await end(half, 'COMMIT')).toBe('TRANSACTION_NOT_FOUND');
  await t.restart();
  expect(await end(half, 'COMMIT')).toBe('TRANSACTION_NOT_FOUND');
  expect(await received()).toEqual([]);
});

test.each(['restart', 'crash', 'restartWithoutIndex'] as const)(
  'open, committed and rolled back stay what they are over a %s',
  async (how) => {
    const [open, committed, rolledBack] = [
      await sendHalf('o'),
      await sendHalf('c'),
      await sendHalf('r'),
    ];
    await end(committed, 'COMMIT');
    await end(rolledBack, 'ROLLBACK');
    await t[how]();
    expect(await end(committed, 'ROLLBACK')).toBe('TRANSACTION_NOT_FOUND');
    expect(await end(rolledBack, 'COMMIT')).toBe('TRANSACTION_NOT_FOUND');
    expect(await end(open, 'COMMIT')).toBe('OK');
    expect((await received()).toSorted()).toEqual(['c', 'o']);
  },
);

test('is found by its id when nobody knows where it lies', async () => {
  const half = await sendHalf('a');
  expect(await end(half, 'COMMIT', { half: undefined, topic: 'other' })).toBe(
    'TRANSACTION_NOT_FOUND',
  );
  expect(await end(half, 'COMMIT', { half: undefined })).toBe('OK');
  expect(await received()).toEqual(['a']);
});

test.each([
  { producerGroup: 'q' },
  { transactionId: 'another' },
  { half: { queueOffset: 7, physicalOffset: 0 } as never },
])('a decision that is not about it changes nothing: %j', async (wrong) => {
  const half = await sendHalf('a');
  expect(await end(half, 'COMMIT', wrong)).toBe('TRANSACTION_NOT_FOUND');
  expect(await end(half, 'UNKNOWN')).toBe('OK');
  expect(await received()).toEqual([]);
  expect(await end(half, 'COMMIT')).toBe('OK');
});

test('a producer that stays silent is asked, with the message as consumers would get it', async () => {
  listen();
  const half = await sendHalf('a');
  await t.clock.advance(5_900);
  expect(checks).toEqual([]);
  await t.clock.advance(200);
  await settle();
  expect(checks).toHaveLength(1);
  const { message, ...check } = checks[0]!;
  expect(check).toMatchObject({ producerGroup: 'p', transactionId: half.transactionId });
  expect([message.topic, message.queueId]).toEqual(['T', 1]);
  expect(findProperty(message.properties, 'TRANSACTION_CHECK_TIMES')).toBe('1');
  await t.clock.advance(30_100);
  await settle();
  expect(checks).toHaveLength(2);
  const found = { ...half, ...checks[1]! };
  expect(await end(found, 'COMMIT', { isFromCheck: true })).toBe('OK');
  await t.clock.advance(60_000);
  await settle();
  expect(checks).toHaveLength(2);
  expect(await received()).toEqual(['a']);
});

test('the message says when to ask first', async () => {
  listen();
  await sendHalf('a', { CHECK_IMMUNITY_TIME_IN_SECONDS: '20' });
  await t.clock.advance(19_900);
  await settle();
  expect(checks).toEqual([]);
  await t.clock.advance(200);
  await settle();
  expect(checks).toHaveLength(1);
});

test('after 15 questions it goes to where an operator finds it, also over restarts', async () => {
  listen();
  const half = await sendHalf('a');
  for (let round = 0; round < 20; round++) {
    await t.clock.advance(30_100);
    await settle();
    if (round === 7) {
      await t.crash();
      listen();
    }
  }
  // A crash may forget the count of the last check or two, never the transaction.
  expect(checks.length).toBeGreaterThanOrEqual(15);
  expect(checks.length).toBeLessThanOrEqual(17);
  expect(await end(half, 'COMMIT')).toBe('TRANSACTION_NOT_FOUND');
  const given = await t.pull({ topic: 'TRANS_CHECK_MAX_TIME_TOPIC' });
  expect(bodies((await given.answer).messages.map((message) => ({ message })))).toEqual(['a']);
});

test('while no decision can be kept nothing is asked, and nothing counted', async () => {
  await t.stop();
  t = await new TestBroker({ store: { minFreeBytes: 1 } }).start();
  await t.topic('T', 2);
  listen();
  const half = await sendHalf('a');
  const { capacityBytes } = t.files;
  t.files.capacityBytes = 0;
  for (let round = 0; round < 30; round++) await t.clock.advance(30_100);
  expect(await end(half, 'COMMIT')).toBe('DISK_FULL');
  expect(checks).toEqual([]);
  t.files.capacityBytes = capacityBytes;
  await t.clock.advance(31_000);
  await settle();
  expect(findProperty(checks[0]!.message.properties, 'TRANSACTION_CHECK_TIMES')).toBe('1');
  expect(await end(half, 'COMMIT')).toBe('OK');
  expect(await received()).toEqual(['a']);
});

test('while no producer is there nothing is counted', async () => {
  const half = await sendHalf('a');
  for (let round = 0; round < 30; round++) await t.clock.advance(30_100);
  await settle();
  listen();
  await t.clock.advance(30_100);
  await settle();
  expect(findProperty(checks[0]!.message.properties, 'TRANSACTION_CHECK_TIMES')).toBe('1');
  expect(await end(half, 'COMMIT')).toBe('OK');
});

test('a batch cannot be transactional', async () => {
  await expect(t.send('T', ['a', 'b'], { properties })).rejects.toMatchObject({
    code: 'MESSAGE_ILLEGAL',
  });
});

test('a transaction that outlives the retention time goes to where an operator finds it', async () => {
  await t.stop();
  const store = { segmentSizeBytes: 64 << 10, retentionMs: 600_000 };
  t = await new TestBroker({ store }).start();
  await t.topic('T', 2);
  const half = await sendHalf('a');
  const filling = 'x'.repeat(20_000);
  for (let count = 0; count < 10; count++) await t.send('T', [filling]);
  for (let round = 0; round < 60; round++) {
    await t.clock.advance(60_000);
    await settle();
  }
  expect(t.store.status().minPhysicalOffset).toBeGreaterThan(half.physicalOffset);
  expect(await end(half, 'COMMIT')).toBe('TRANSACTION_NOT_FOUND');
  const given = await t.pull({ topic: 'TRANS_CHECK_MAX_TIME_TOPIC' });
  const found = bodies((await given.answer).messages.map((message) => ({ message })));
  expect(found).toEqual(['a']);
});
