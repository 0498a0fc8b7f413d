import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type StartRmqOptions, startRmq } from '../../src/index.ts';

async function start(options?: StartRmqOptions) {
  const rmq = await startRmq(options);
  onTestFinished(() => rmq.stop());
  return rmq;
}

describe('startRmq', () => {
  test('sends and finds a message by its key', async () => {
    const rmq = await start({ topics: { orders: { type: 'FIFO', queues: 4 } } });
    expect(rmq.endpoints.namesrv).toMatch(/^127\.0\.0\.1:\d+$/);
    const sent = await rmq.send('orders', { body: 'x', group: 'u1', key: 'k1', tag: 'new' });
    const message = await rmq.waitFor('orders', { key: 'k1', within: '2s' });
    expect(message).toMatchObject({
      text: 'x',
      group: 'u1',
      tag: 'new',
      keys: ['k1'],
      messageId: sent.messageId,
      queueId: sent.queueId,
      queueOffset: sent.queueOffset,
    });
  });

  test('waits for a message that comes later', async () => {
    const rmq = await start({ topics: { late: { queues: 2 } } });
    const waiting = rmq.waitFor('late', { tag: 'b', within: '5s' });
    await rmq.send('late', { body: '1', tag: 'a' });
    await rmq.send('late', { body: '2', tag: 'b' });
    expect((await waiting).text).toBe('2');
  });

  test('says what did not come, and which topic there is not', async () => {
    const rmq = await start({ topics: { quiet: {} } });
    await expect(rmq.waitFor('quiet', { within: '20ms' })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
    await expect(rmq.waitFor('none')).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' });
    await expect(rmq.waitFor('quiet', { within: 'soon' })).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('counts the lag and forgets all with reset', async () => {
    const rmq = await start({ topics: { jobs: { queues: 1 } } });
    for (const body of ['a', 'b', 'c']) await rmq.send('jobs', { body });
    expect(await rmq.lag('jobs', 'workers')).toBe(3);
    await rmq.reset();
    expect(await rmq.lag('jobs', 'workers')).toBe(0);
    const { queueOffset } = await rmq.send('jobs', { body: 'd' });
    expect(queueOffset).toBe(0);
    expect((await rmq.waitFor('jobs', { within: '2s' })).text).toBe('d');
  });

  test('keeps messages in a folder over a restart', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'rmq-test-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const first = await start({ dataDir: folder, topics: { kept: { queues: 1 } } });
    await first.send('kept', { body: 'still here' });
    await first.stop();
    const second = await start({ dataDir: folder });
    expect((await second.waitFor('kept', { within: '2s' })).text).toBe('still here');
  });

  test('refuses a folder that another server uses', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'rmq-test-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await start({ dataDir: folder });
    await expect(startRmq({ dataDir: folder })).rejects.toMatchObject({ code: 'DATA_DIR_IN_USE' });
  });

  test('stops twice without harm', async () => {
    const rmq = await start();
    await Promise.all([rmq.stop(), rmq.stop()]);
    await rmq.stop();
  });

  test('a delayed message comes when the clock is moved, not before', async () => {
    const rmq = await start({ topics: { later: { type: 'DELAY', queues: 1 } } });
    const properties = { TIMER_DELAY_SEC: '3600' };
    await rmq.send('later', { body: 'x', properties });
    await expect(rmq.waitFor('later', { within: '50ms' })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
    const before = rmq.clock.now().getTime();
    rmq.clock.advance('59m');
    await expect(rmq.waitFor('later', { within: '50ms' })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
    rmq.clock.advance(120_000);
    expect((await rmq.waitFor('later', { within: '2s' })).text).toBe('x');
    expect(rmq.clock.now().getTime() - before).toBeGreaterThanOrEqual(61 * 60_000);
    expect(() => rmq.clock.advance('soon')).toThrow('"soon" is not allowed');
  });
});
