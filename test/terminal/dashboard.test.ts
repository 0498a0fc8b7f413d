/** `rmq dashboard` on a terminal, driven by keys; what it shows is what the cluster holds. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Rmq, startRmq } from '../../src/index.ts';
import { rmqHere } from '../support/here.ts';
import { hasTmux, type Terminal, type TerminalOptions } from '../support/tmux.ts';
import { openRmq } from './open.ts';

let server: Rmq;
const run = (...args: readonly string[]) =>
  rmqHere(args, { RMQ_NAMESRV: server.endpoints.namesrv });

const open = (args: readonly string[], size: TerminalOptions): Promise<Terminal> =>
  openRmq(server, ['dashboard', '--interval', '250ms', ...args], size);

/** The row that begins with the name, its cells. */
function cells(rows: readonly string[], name: string): string[] {
  const found = rows.find((line) => line.startsWith(` ${name} `));
  return (found ?? '').trim().split(/\s{2,}/);
}

/** A group that has consumed `done` of the `count` messages of a topic of its own, and has dead letters. */
async function groupWith(group: string, count: number, done: number): Promise<string> {
  const topic = `${group}-orders`;
  await server.createTopic(topic, { queues: 2 });
  for (let n = 0; n < count; n++) await server.send(topic, { body: `m${n}`, key: `k-${n}` });
  await run('group', 'create', group);
  await run('consume', group, topic, '--count', String(done), '--idle', '2s');
  await server.createTopic(`%DLQ%${group}`, { queues: 1 });
  const properties = { DLQ_ORIGIN_TOPIC: topic, RETRY_TOPIC: topic };
  for (const body of ['dead 0', 'dead 1']) {
    await server.send(`%DLQ%${group}`, { body, properties });
  }
  return topic;
}

describe.skipIf(!hasTmux)('rmq dashboard on a terminal', () => {
  beforeAll(async () => {
    server = await startRmq();
  });
  afterAll(() => server.stop());

  test.each([
    { columns: 80, rows: 24 },
    { columns: 200, rows: 60 },
  ])('$columns×$rows: from the overview to one group and back', async (size) => {
    const group = `billing-${size.columns}`;
    const topic = await groupWith(group, 12, 5);
    const terminal = await open([], size);
    const overview = await terminal.until((screen) => /broker-a:0.* up /.test(screen));
    expect(overview).toHaveLength(size.rows);
    expect(overview.join('\n')).toContain('1 nameserver, 1 broker, 1 proxy');
    expect(overview[0]).toContain('● well');

    await terminal.press('2', '/');
    await terminal.type(topic);
    await terminal.press('Enter');
    const topics = await terminal.until((_screen, rows) => cells(rows, topic)[4] === '12');
    expect(cells(topics, topic).slice(0, 3)).toEqual([topic, 'NORMAL', '2']);
    await terminal.press('Enter');
    const queues = await terminal.until((screen) => screen.includes('12 stored'));
    const stored = [0, 1].map((id) => Number(cells(queues, `broker-a:${id}`)[3]));
    expect((stored[0] ?? 0) + (stored[1] ?? 0)).toBe(12);
    await terminal.until((screen) => screen.includes(`group ${group}  lag 7`));

    await terminal.press(':');
    await terminal.type(group);
    await terminal.until((screen) => screen.includes(`go to: ${group}`));
    await terminal.press('Enter');
    const shown = await terminal.until((screen) => /lag 7.* 2 dead/.test(screen));
    const lags = [0, 1].map((id) => Number(cells(shown, `${topic} broker-a:${id}`)[3]));
    expect((lags[0] ?? 0) + (lags[1] ?? 0)).toBe(7);
    await terminal.press('Escape');
    await terminal.until((screen) => screen.includes(`topic ${topic}`));
    await terminal.press('1');
    await terminal.until((screen) => screen.includes('MACHINE'));
  });

  test('messages inside, with the keys of the viewer, and back', async () => {
    const topic = await groupWith('inside', 4, 1);
    const terminal = await open(['--topic', topic], { columns: 120, rows: 30 });
    await terminal.until((screen) => screen.includes('4 stored'));
    await terminal.press('m');
    await terminal.until((screen) => screen.includes('4 seen'));
    await server.send(topic, { body: 'a new one' });
    await terminal.until((screen) => screen.includes('a new one'));
    await terminal.press('Enter');
    await terminal.until((screen) => screen.includes('back') && screen.includes('page'));
    await terminal.press('Escape');
    await terminal.until((screen) => screen.includes('STORED'));
    await terminal.press('Escape');
    await terminal.until((screen) => screen.includes('5 stored'));
  });

  test('dead letters are sent again once that is confirmed, and not before', async () => {
    const topic = await groupWith('redriven', 1, 1);
    const terminal = await open(['--view', 'dlq'], { columns: 100, rows: 24 });
    await terminal.press('/');
    await terminal.type('redriven');
    await terminal.press('Enter');
    await terminal.until((_screen, rows) => cells(rows, 'redriven')[2] === '2');
    await terminal.press('R');
    await terminal.until((screen) => screen.includes('y to do it'));
    await terminal.press('n', 'Enter');
    const refused = await terminal.until((screen) => screen.includes('nothing was done'));
    expect(cells(refused, 'redriven')).toEqual(['redriven', '2', '2']);
    await terminal.press('R', 'y', 'Enter');
    await terminal.until((screen) => screen.includes('2 dead letters of redriven were sent again'));
    await terminal.until((_screen, rows) => cells(rows, 'redriven')[2] === '0');
    expect((await server.waitFor(topic, { where: ({ text }) => text === 'dead 1' })).text).toBe(
      'dead 1',
    );
  });

  test('a group is moved after its effect was shown and its name typed', async () => {
    const topic = await groupWith('moved', 6, 6);
    const terminal = await open(['--group', 'moved'], { columns: 140, rows: 24 });
    await terminal.until((screen) => screen.includes('lag 0'));
    await terminal.press('O');
    await terminal.type('earliest');
    await terminal.press('Enter');
    await terminal.until((screen) => screen.includes(`moved in ${topic}: 6 messages again`));
    await terminal.type('moved');
    await terminal.press('Enter');
    await terminal.until((screen) => screen.includes('lag 6'));
  });

  test('events, help, a resize, and the end', async () => {
    const terminal = await open([], { columns: 80, rows: 24 });
    // Only what comes after the first look at the topics is an event.
    await terminal.until((screen) => /· [1-9]\d* topics/.test(screen));
    await terminal.press('0');
    await terminal.until((screen) => screen.includes('nothing has happened'));
    await server.createTopic('made-just-now');
    await terminal.press('C-r');
    await terminal.until((screen) => screen.includes('topic made-just-now was created'));
    await terminal.press('?');
    await terminal.until((screen) => screen.includes('Keys of this view'));
    await terminal.press('x');
    await terminal.resize(150, 40);
    await terminal.until((_screen, rows) => rows.length === 40 && /q quit/.test(rows[39] ?? ''));
    await terminal.press('q');
    await terminal.until((screen) => !screen.includes('events'));
  });
});
