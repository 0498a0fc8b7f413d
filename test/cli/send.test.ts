/** Every kind of message, sent by flags and by JSON lines, against a real server. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Rmq, startRmq } from '../../src/index.ts';
import { type CliOptions, rmq } from '../support/cli.ts';
import { rmqHere } from '../support/here.ts';

let server: Rmq;
const run = (args: readonly string[], options: CliOptions = {}) =>
  rmq(args, { ...options, env: { RMQ_NAMESRV: server.endpoints.namesrv } });
const rows = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const stored = async (topic: string): Promise<Record<string, unknown>[]> => {
  const tail = ['tail', topic, '--from', 'earliest', '--no-follow', '--output', 'json'];
  return rows((await rmqHere(tail, { RMQ_NAMESRV: server.endpoints.namesrv })).stdout);
};

beforeAll(async () => {
  server = await startRmq({
    topics: {
      lines: { queues: 3 },
      steps: { type: 'FIFO', queues: 3 },
      later: { type: 'DELAY', queues: 1 },
      paid: { type: 'TRANSACTION', queues: 1 },
      urgent: { type: 'PRIORITY', queues: 2 },
    },
  });
});
afterAll(() => server.stop());

test('JSON lines are messages with all they say; what tail prints is taken as it is', async () => {
  const input = [
    { body: 'a', tag: 'new', keys: ['k1', 'k2'], properties: { region: 'eu' } },
    { body: { nested: [1, 2] }, key: 'k3' },
    { body: Buffer.from([0, 255]).toString('base64'), bodyEncoding: 'base64' },
  ].map((line) => JSON.stringify(line));
  const first = await run(['send', 'lines', '--json'], { input: `${input.join('\n')}\n` });
  expect({ code: first.code, stderr: first.stderr }).toEqual({ code: 0, stderr: '' });
  const sent = await stored('lines');
  expect(sent).toHaveLength(3);
  expect(sent).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ body: 'a', tag: 'new', keys: ['k1', 'k2'] }),
      expect.objectContaining({ body: '{"nested":[1,2]}', keys: ['k3'] }),
      expect.objectContaining({ body: 'AP8=', bodyEncoding: 'base64', bodySizeBytes: 2 }),
    ]),
  );
  const again = sent.map((line) => JSON.stringify(line)).join('\n');
  expect((await run(['send', 'lines', '--json'], { input: again })).code).toBe(0);
  const ids = (await stored('lines')).map(({ messageId }) => messageId);
  expect(new Set(ids).size).toBe(6);
});

test('messages of a group stay in order, by flag and by line', async () => {
  const lines = Array.from({ length: 40 }, (_, index) =>
    JSON.stringify({ body: String(index), messageGroup: `g${index % 4}` }),
  );
  expect((await run(['send', 'steps', '--json'], { input: lines.join('\n') })).code).toBe(0);
  expect((await run(['send', 'steps', 'x', '--group', 'g9', '--count', '5'])).code).toBe(0);
  const all = await stored('steps');
  expect(all).toHaveLength(45);
  for (let group = 0; group < 4; group++) {
    const mine = all.filter(({ messageGroup }) => messageGroup === `g${group}`);
    const sorted = mine.toSorted((a, b) => Number(a['queueOffset']) - Number(b['queueOffset']));
    expect(sorted.map(({ body }) => Number(body))).toEqual(
      Array.from({ length: 10 }, (_, index) => index * 4 + group),
    );
  }
});

test('delayed ones wait, by flag and by line', async () => {
  expect((await run(['send', 'later', 'soon', '--delay', '1h'])).code).toBe(0);
  const input = JSON.stringify({ body: 'line', delay: '2h' });
  expect((await run(['send', 'later', '--json'], { input })).code).toBe(0);
  expect(await stored('later')).toEqual([]);
  server.clock.advance('90m');
  expect((await server.waitFor('later', { within: '5s' })).body.toString()).toBe('soon');
  expect(await stored('later')).toHaveLength(1);
});

test('half messages are consumed when committed only', async () => {
  for (const end of ['commit', 'rollback', 'open']) {
    const { code, stderr } = await run(['send', 'paid', end, '--transaction', end]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  }
  await server.waitFor('paid', { within: '5s' });
  expect((await stored('paid')).map(({ body }) => body)).toEqual(['commit']);
});

test('priorities choose the queue', async () => {
  for (const priority of ['0', '1']) {
    expect((await run(['send', 'urgent', priority, '--priority', priority])).code).toBe(0);
  }
  const all = await stored('urgent');
  expect(new Set(all.map(({ queueId }) => queueId)).size).toBe(2);
});

test('a rate is kept, and Ctrl-C says how far it came', async () => {
  const { code, stdout, stderr } = await run(
    ['send', 'lines', 'x', '--count', '1000', '--rate', '20', '--output', 'json'],
    {
      onStdout: (soFar, child) => {
        if (soFar.split('\n').length > 3) child.kill('SIGINT');
      },
    },
  );
  expect(code).toBe(130);
  const count = Number(/interrupted: (\d+) messages were sent/.exec(stderr)?.[1]);
  expect(rows(stdout)).toHaveLength(count);
  expect(count).toBeLessThan(100);
});

test('what does not fit together, and a broken line, are usage', async () => {
  for (const args of [
    ['x', '--lines', '--json'],
    ['--json', '--count', '2'],
    ['x', '--delay', '1s', '--at', '2026-01-31T12:00:00Z'],
    ['x', '--at', 'tomorrow'],
    ['x', '--prop', 'novalue'],
  ]) {
    const env = { RMQ_NAMESRV: server.endpoints.namesrv };
    const { code, stdout } = await rmqHere(['send', 'lines', ...args], env);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  }
  for (const [input, said] of [
    ['{', 'line 1: no JSON'],
    ['[]', 'line 1: a JSON object'],
    ['{"tag":"x"}', 'line 1: there is no "body"'],
    ['{"body":"x","tag":7}', '"tag" is 7'],
    ['{"body":"x","delay":"soon"}', '"delay" is "soon"'],
    ['{"body":"x","priority":-1}', '"priority" is -1'],
  ] as const) {
    const { code, stderr } = await run(['send', 'lines', '--json'], { input });
    expect(code).toBe(2);
    expect(stderr).toContain(said);
  }
});
