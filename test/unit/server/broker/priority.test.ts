import { afterEach, beforeEach, expect, test } from 'vitest';
import { topicOf } from '../../../../src/server/broker/topics/topic-table.ts';
import { bodies, TestBroker } from '../../../support/test-broker.ts';

let t: TestBroker;

beforeEach(async () => {
  t = await new TestBroker().start();
  await t.broker.putTopic(topicOf('P', 4, 6, { 'message.type': 'PRIORITY' }));
});

afterEach(async () => {
  await t.stop();
});

function send(priority: string, more: Record<string, string> = {}) {
  const properties = { _SYS_MSG_PRIORITY_: priority, ...more };
  return t.send('P', [`p${priority}`], { properties });
}

test('the more urgent come first, above the last queue all alike', async () => {
  for (const priority of ['1', '0', '3', '2', '99']) await send(priority);
  const topic = 'P';
  expect(bodies(await t.receive({ topic, maxCount: 3 }))).toEqual(['p3', 'p99', 'p2']);
  await send('3');
  expect(bodies(await t.receive({ topic }))).toEqual(['p3', 'p1', 'p0']);
});

test('each receive begins anew with the most urgent', async () => {
  const topic = 'P';
  for (let count = 0; count < 3; count++) {
    await send('0');
    await send('3');
    expect(bodies(await t.receive({ topic, maxCount: 1 }))).toEqual(['p3']);
  }
  expect(bodies(await t.receive({ topic }))).toEqual(['p0', 'p0', 'p0']);
});

test('a group whose factor is 0 takes its queues in turn', async () => {
  const group = await t.broker.getGroup('G');
  await t.broker.putGroup({ ...group!, attributes: { 'priority.factor': '0' } });
  for (const priority of ['0', '1', '2', '3']) await send(priority);
  const taken: string[] = [];
  for (let count = 0; count < 4; count++) {
    taken.push(...bodies(await t.receive({ topic: 'P', maxCount: 1 })));
  }
  expect(taken).toEqual(['p0', 'p1', 'p2', 'p3']);
});

test.each([
  ['3', { __SHARDINGKEY: 'g' }],
  ['3', { TRAN_MSG: 'false' }],
  ['-1', {}],
  ['much', {}],
])('priority %s with %o is none', async (priority, more) => {
  const [sent] = await send(priority, more);
  expect(sent!.queueId).toBe(0);
  const [one] = await t.receive({ topic: 'P' });
  expect(Buffer.from(one!.message.properties).includes('_SYS_MSG_PRIORITY_')).toBe(false);
});
