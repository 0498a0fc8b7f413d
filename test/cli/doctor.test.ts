/** What `rmq doctor` finds on a real server, and that it finds nothing where nothing is wrong. */
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type Rmq, startRmq } from '../../src/index.ts';
import { rmqHere } from '../support/here.ts';
import { joinGroup } from '../support/remoting-member.ts';

let server: Rmq;
const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  rmqHere(args, { RMQ_NAMESRV: server.endpoints.namesrv, ...env });
const findings = async (
  args: readonly string[] = [],
): Promise<{ readonly code: number | null; readonly rows: Record<string, unknown>[] }> => {
  const { code, stdout } = await run(['doctor', '--output', 'json', ...args]);
  return { code, rows: JSON.parse(stdout) as Record<string, unknown>[] };
};
const ok = async (args: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await run(args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
};

beforeAll(async () => {
  server = await startRmq({ topics: { orders: { queues: 1 }, other: { queues: 1 } } });
});
afterAll(() => server.stop());

test('a cluster in order has no findings', async () => {
  expect(await findings()).toEqual({ code: 0, rows: [] });
});

test('a group that lags without members, and its dead letters', async () => {
  await ok(['group', 'create', 'billing', '--output', 'json']);
  await server.createTopic('%DLQ%billing', { queues: 1 });
  await server.send('%DLQ%billing', { body: 'dead' });
  for (let index = 0; index < 3; index++) await server.send('orders', { body: 'waits' });
  await ok(['offset', 'reset', 'billing', 'orders', '--to', 'earliest', '--yes']);
  const { code, rows } = await findings();
  expect(code).toBe(1);
  expect(rows).toMatchObject([
    { severity: 'warning', check: 'backlog', subject: 'billing' },
    { severity: 'warning', check: 'dead letters', subject: 'billing' },
  ]);
  expect(rows[0]?.['problem']).toBe('3 messages wait, and it has no member');
  expect(rows[1]?.['advice']).toContain('rmq dlq redrive billing');
  expect((await findings(['--fail-on', 'critical'])).code).toBe(0);
  await ok(['group', 'delete', 'billing', '--yes']);
  expect((await findings()).code).toBe(0);
});

test('members of one group that subscribe differently', async () => {
  await ok(['group', 'create', 'mixed', '--output', 'json']);
  const list = JSON.parse(await ok(['cluster', 'list', '--output', 'json'])) as {
    role: string;
    address: string;
  }[];
  const broker = list.find(({ role }) => role === 'broker')?.address ?? '';
  for (const topic of ['orders', 'other']) {
    const member = await joinGroup(broker, { clientId: `reads-${topic}`, group: 'mixed', topic });
    onTestFinished(() => member.leave());
  }
  const { code, rows } = await findings(['--fail-on', 'critical']);
  expect(code).toBe(1);
  expect(rows).toMatchObject([{ severity: 'critical', check: 'subscription', subject: 'mixed' }]);
  expect(rows[0]?.['problem']).toContain('reads-orders: orders (*); reads-other: other (*)');
});

test('a NameServer that does not answer; with none left it is exit 3', async () => {
  const namesrv = `${server.endpoints.namesrv};127.0.0.1:1`;
  const { code, stdout } = await run(['doctor', '--output', 'json'], { RMQ_NAMESRV: namesrv });
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toContainEqual(
    expect.objectContaining({ check: 'nameserver', subject: '127.0.0.1:1', severity: 'critical' }),
  );
  const nobody = await run(['doctor'], { RMQ_NAMESRV: '127.0.0.1:1' });
  expect(nobody.code).toBe(3);
});
