/** A member of a group for scripts, against a real server. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Rmq, startRmq } from '../../src/index.ts';
import { type CliOptions, rmq } from '../support/cli.ts';
import { rmqHere } from '../support/here.ts';

interface Row {
  readonly body: string;
  readonly deliveryAttempt: number;
}

let server: Rmq;
const run = (args: readonly string[]) => rmqHere(args, { RMQ_NAMESRV: server.endpoints.namesrv });
const runApart = (args: readonly string[], options: CliOptions) =>
  rmq(args, { ...options, env: { RMQ_NAMESRV: server.endpoints.namesrv } });
const rowsOf = (stdout: string): Row[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);
const topicWith = async (topic: string, count: number): Promise<void> => {
  await server.createTopic(topic, { queues: 2 });
  for (let index = 0; index < count; index++) {
    await server.send(topic, { body: `m${index}`, tag: index % 2 === 0 ? 'even' : 'odd' });
  }
};
const makeGroup = async (group: string, ...flags: string[]): Promise<void> => {
  expect((await run(['group', 'create', group, ...flags])).code).toBe(0);
};

beforeAll(async () => {
  server = await startRmq();
});
afterAll(() => server.stop());

test('what is printed is acknowledged, the rest is for others', async () => {
  await topicWith('orders', 5);
  await makeGroup('billing');
  const consume = ['consume', 'billing', 'orders', '-o', 'json'];
  const first = await run([...consume, '--count', '2']);
  expect({ code: first.code, stderr: first.stderr }).toEqual({ code: 0, stderr: '' });
  expect(rowsOf(first.stdout)).toHaveLength(2);
  const rest = await run([...consume, '--idle', '300ms']);
  expect(rest.code).toBe(0);
  const bodies = [...rowsOf(first.stdout), ...rowsOf(rest.stdout)].map(({ body }) => body);
  expect(bodies.sort()).toEqual(['m0', 'm1', 'm2', 'm3', 'm4']);
  expect(await server.lag('orders', 'billing')).toBe(0);
});

test('a group in order gets its message group in order', async () => {
  await server.createTopic('ordered', { type: 'FIFO', queues: 2 });
  for (let index = 0; index < 6; index++) {
    await server.send('ordered', { body: `m${index}`, group: 'g' });
  }
  await makeGroup('fifo', '--fifo', 'yes');
  const { stdout } = await run(['consume', 'fifo', 'ordered', '--count', '6', '-o', 'json']);
  expect(rowsOf(stdout).map(({ body }) => body)).toEqual(['m0', 'm1', 'm2', 'm3', 'm4', 'm5']);
});

test('what fails comes again and dies in the end; redriven, it is consumed', async () => {
  await server.createTopic('failing', { queues: 1 });
  await server.send('failing', { body: 'bad', tag: 't' });
  await makeGroup('doomed', '--retries', '1');
  const consume = ['consume', 'doomed', 'failing', '-o', 'json'];
  const failed = await run([...consume, '--nack', '--retry-after', '10ms', '--idle', '400ms']);
  expect(rowsOf(failed.stdout).map((row) => row.deliveryAttempt)).toEqual([1, 2]);
  await expect.poll(() => server.deadLetters('doomed')).toHaveLength(1);
  expect((await run(['dlq', 'redrive', 'doomed'])).code).toBe(0);
  const again = await run([...consume, '--count', '1']);
  expect(rowsOf(again.stdout)).toMatchObject([{ body: 'bad', tag: 't', deliveryAttempt: 1 }]);
  expect((await run([...consume, '--ack', '--nack'])).code).toBe(2);
});

test('it is a member while it runs, and Ctrl-C leaves nothing behind', async () => {
  await topicWith('live', 1);
  await makeGroup('team');
  const { code, stderr, stdout } = await runApart(['consume', 'team', 'live'], {
    onStdout: (_soFar, child) => {
      void run(['group', 'members', 'team', '-o', 'name']).then(({ stdout: members }) => {
        if (members.startsWith('rmq@')) child.kill('SIGINT');
      });
    },
  });
  expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
  expect(stdout).toContain('m0');
  expect((await run(['group', 'members', 'team'])).stdout).toBe('');
  expect(await server.lag('live', 'team')).toBe(0);
});

test('an unknown group and an unknown topic are said before anything is consumed', async () => {
  await topicWith('known', 1);
  expect((await run(['consume', 'nobody', 'known'])).code).toBe(5);
  await makeGroup('somebody');
  expect((await run(['consume', 'somebody', 'unknown'])).code).toBe(5);
});
