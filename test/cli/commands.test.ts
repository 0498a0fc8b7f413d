/** The commands against a real server: stdout, stderr and exit code apart. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Rmq, startRmq } from '../../src/index.ts';
import { type CliOptions, rmq } from '../support/cli.ts';

let server: Rmq;
const run = (args: readonly string[], options: CliOptions = {}) =>
  rmq(args, { ...options, env: { RMQ_NAMESRV: server.endpoints.namesrv, ...options.env } });
const json = async (args: readonly string[]): Promise<unknown> => {
  const { code, stdout, stderr } = await run([...args, '--output', 'json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
};

beforeAll(async () => {
  server = await startRmq();
});
afterAll(() => server.stop());

describe('rmq topic', () => {
  test('create, list, describe, delete', async () => {
    expect(await json(['topic', 'create', 'life', '--type', 'FIFO', '--queues', '3'])).toEqual({
      topic: 'life',
      messageType: 'FIFO',
      queueCount: 3,
      brokerNames: ['broker-a'],
    });
    expect(await json(['topic', 'list'])).toContainEqual({
      topic: 'life',
      messageType: 'FIFO',
      readQueueCount: 3,
      writeQueueCount: 3,
      permission: 6,
      brokerNames: ['broker-a'],
      isSystem: false,
    });
    await server.send('life', { body: 'x', group: 'g' });
    expect(await json(['topic', 'describe', 'life'])).toMatchObject({
      messageCount: 1,
      messageType: 'FIFO',
    });
    expect((await run(['topic', 'delete', 'life', '--yes'])).code).toBe(0);
    expect(JSON.stringify(await json(['topic', 'list']))).not.toContain('life');
  });

  test('list is tab-separated on a pipe and a table when asked', async () => {
    await server.createTopic('plain', { queues: 2 });
    const piped = await run(['topic', 'list']);
    expect(piped.stdout).toContain('plain\tNORMAL\t2\trw-\tbroker-a\n');
    const table = await run(['topic', 'list', '-o', 'table']);
    expect(table.stdout).toMatch(/^TOPIC +TYPE +QUEUES +PERM +BROKERS\n/);
  });

  test('list is YAML with the fields of JSON, and bare names', async () => {
    await server.createTopic('named', { queues: 2 });
    const yaml = await run(['topic', 'list', '-o', 'yaml']);
    expect(parse(yaml.stdout)).toEqual(await json(['topic', 'list']));
    const names = await run(['topic', 'list', '-o', 'name']);
    expect(names.stdout.split('\n')).toContain('named');
    expect((await run(['topic', 'describe', 'named', '-o', 'name'])).stdout).toBe('named\n');
  });

  test('describe of an unknown one is exit 5 with the nearest name', async () => {
    await server.createTopic('payments');
    const { code, stdout, stderr } = await run(['topic', 'describe', 'paymens']);
    expect({ code, stdout }).toEqual({ code: 5, stdout: '' });
    expect(stderr).toBe('error: there is no topic paymens\nhint: did you mean payments?\n');
  });

  test('delete needs --yes without a terminal, and --dry-run changes nothing', async () => {
    await server.createTopic('precious');
    const refused = await run(['topic', 'delete', 'precious']);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('--yes');
    const dry = await run(['topic', 'delete', 'precious', '--dry-run']);
    expect(dry.stdout).toContain('no, dry run');
    expect(JSON.stringify(await json(['topic', 'list']))).toContain('precious');
  });

  test('create refuses an illegal name before it asks anybody', async () => {
    const { code, stderr } = await rmq(['topic', 'create', 'a b', '--namesrv', '127.0.0.1:1']);
    expect(code).toBe(2);
    expect(stderr).toContain('a b');
  });
});

describe('rmq send', () => {
  test('sends with tag, keys and properties', async () => {
    await server.createTopic('sent');
    const { code, stderr } = await run([
      'send',
      'sent',
      'hello',
      '--tag',
      't',
      '--key',
      'k1',
      '--key',
      'k2',
      '--prop',
      'a=b=c',
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const message = await server.waitFor('sent', { key: 'k2', within: '2s' });
    expect(message).toMatchObject({ text: 'hello', tag: 't', keys: ['k1', 'k2'] });
    expect(message.properties).toMatchObject({ a: 'b=c' });
  });

  test('creates the topic on the way and says so', async () => {
    await server.createTopic('invoices');
    const { code, stderr } = await run(['send', 'invoice', 'x']);
    expect(code).toBe(0);
    expect(stderr).toBe('topic invoice was created (NORMAL); there is also invoices\n');
  });

  test('takes stdin as one body or line by line', async () => {
    await server.createTopic('piped', { queues: 1 });
    await run(['send', 'piped', '-'], { input: 'one\nbody' });
    const lines = await run(['send', 'piped', '--lines', '-o', 'json'], { input: 'a\nb\r\n\nc' });
    expect(lines.stdout.trim().split('\n')).toHaveLength(3);
    const { stdout } = await run([
      'tail',
      'piped',
      '--from',
      'earliest',
      '--no-follow',
      '-o',
      'json',
    ]);
    const bodies = stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { body: string }).body);
    expect(bodies).toEqual(['one\nbody', 'a', 'b', 'c']);
  });

  test('keeps the order of a message group', async () => {
    await server.createTopic('ordered', { type: 'FIFO', queues: 4 });
    const input = Array.from({ length: 50 }, (_, index) => `m${index}`).join('\n');
    const { stdout } = await run(['send', 'ordered', '--lines', '--group', 'g', '-o', 'json'], {
      input,
    });
    const rows = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { queueId: number; queueOffset: number });
    expect(new Set(rows.map((row) => row.queueId)).size).toBe(1);
    expect(rows.map((row) => row.queueOffset)).toEqual(rows.map((_, index) => index));
  });
});

describe('rmq tail', () => {
  test('prints one JSON object a line and ends after --count', async () => {
    await server.createTopic('tailed', { queues: 3 });
    for (const body of ['a', 'b', 'c']) await server.send('tailed', { body, tag: body });
    const { code, stdout } = await run([
      'tail',
      'tailed',
      '--from',
      'earliest',
      '--count',
      '3',
      '-o',
      'json',
    ]);
    expect(code).toBe(0);
    const rows = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { body: string });
    expect(rows.map((row) => row.body)).toEqual(['a', 'b', 'c']);
  });

  test('filters by tag and key, and knows the last ones', async () => {
    await server.createTopic('filtered', { queues: 2 });
    for (const tag of ['x', 'y', 'x', 'z']) {
      await server.send('filtered', { body: tag, tag, key: `k-${tag}` });
      const storeTime = Date.now();
      // Queues are merged by store time: the next message gets a later one.
      await expect.poll(() => Date.now()).toBeGreaterThan(storeTime);
    }
    const all = ['tail', 'filtered', '--from', 'earliest', '--no-follow'];
    expect((await run([...all, '--tag', 'x || z'])).stdout.trim().split('\n')).toHaveLength(3);
    expect((await run([...all, '--key', 'k-y'])).stdout).toMatch(/\ty\tk-y\ty\n$/);
    const last = await run(['tail', 'filtered', '--last', '1', '--no-follow']);
    expect(last.stdout).toMatch(/^[^\n]*\tz\tk-z\tz\n$/);
  });

  test('follows what comes later, and Ctrl-C ends it with 130', async () => {
    await server.createTopic('live', { queues: 2 });
    await server.send('live', { body: 'before' });
    let sent = 0;
    const feeding = setInterval(() => {
      // Until the first is seen: nobody tells when the reader is in place.
      void server.send('live', { body: `now ${sent++}` });
    }, 50);
    const { code, stdout, stderr } = await run(['tail', 'live'], {
      onStdout: (soFar, child) => {
        if (soFar.includes('now')) child.kill('SIGINT');
      },
    });
    clearInterval(feeding);
    expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
    expect(stdout).toContain('now');
    expect(stdout).not.toContain('before');
  });

  test('shows control characters of a body, it does not obey them', async () => {
    await server.createTopic('nasty', { queues: 1 });
    await server.send('nasty', { body: 'a\u001b[2Jb\nc' });
    const { stdout } = await run(['tail', 'nasty', '--from', 'earliest', '--no-follow']);
    expect(stdout).toContain('a\u241b[2Jb\u240ac\n');
  });

  test('a wrong point and an unknown topic are named', async () => {
    const point = await run(['tail', 'live', '--from', 'yesterday']);
    expect(point.code).toBe(2);
    expect(point.stderr).toContain('--from: "yesterday" is not allowed');
    expect((await run(['tail', 'nowhere'])).code).toBe(5);
  });
});

test('rmq cluster list shows every machine with its last heartbeat', async () => {
  const rows = (await json(['cluster', 'list'])) as { role: string; lastHeartbeat?: string }[];
  expect(rows.map((row) => row.role)).toEqual(['nameserver', 'broker', 'proxy']);
  for (const row of rows.slice(1)) {
    expect(Date.now() - Date.parse(row.lastHeartbeat ?? '')).toBeLessThan(10_000);
  }
});
