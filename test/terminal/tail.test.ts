/** `rmq tail` on a terminal, driven by keys; what it shows is what the cluster holds. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Rmq, startRmq } from '../../src/index.ts';
import { hasTmux, type Terminal, type TerminalOptions } from '../support/tmux.ts';
import { openRmq } from './open.ts';

let server: Rmq;
let count = 0;

/** A topic with `messages` messages `body 0` …, every third tagged `third`. */
async function topicWith(messages: number): Promise<string> {
  const topic = `screen-${count++}`;
  await server.createTopic(topic, { queues: 3 });
  for (let n = 0; n < messages; n++) await send(topic, n);
  return topic;
}

const send = (topic: string, n: number) =>
  server.send(topic, {
    body: `{"n":${n},"text":"body ${n}"}`,
    tag: n % 3 === 0 ? 'third' : 'other',
    key: `k-${n}`,
  });

const open = (args: readonly string[], options: TerminalOptions): Promise<Terminal> =>
  openRmq(server, ['tail', ...args], options);

/** The numbers of the messages in sight, from top to bottom. */
const shown = (rows: readonly string[]): number[] =>
  rows.flatMap((line) => {
    const found = /\{"n":(\d+),/.exec(line);
    return found === null ? [] : [Number(found[1])];
  });
const range = (begin: number, end: number): number[] =>
  Array.from({ length: end - begin }, (_, index) => begin + index);

describe.skipIf(!hasTmux)('rmq tail on a terminal', () => {
  beforeAll(async () => {
    server = await startRmq();
  });
  afterAll(() => server.stop());

  test.each([
    { columns: 80, rows: 24 },
    { columns: 200, rows: 60 },
  ])('$columns×$rows shows what the topic holds, and what comes', async (size) => {
    const topic = await topicWith(100);
    const terminal = await open([topic, '--last', '100'], size);
    const listed = size.rows - 4;
    const first = await terminal.until((screen) => screen.includes('body 99"'));
    expect(shown(first)).toEqual(range(100 - listed, 100));
    expect(first).toHaveLength(size.rows);
    expect(first.at(0)).toContain(`rmq tail  ${topic}  ● live`);
    expect(first.at(-2)).toContain('100 seen');
    // Each in sight before the next is sent: queues that get messages together are shown as they answer.
    for (let n = 100; n < 105; n++) {
      await send(topic, n);
      const later = await terminal.until((screen) => screen.includes(`body ${n}"`));
      expect(shown(later)).toEqual(range(n + 1 - listed, n + 1));
    }

    await terminal.press('g');
    const top = await terminal.until((screen) => screen.includes('paused'));
    expect(shown(top)).toEqual(range(0, listed));
    await send(topic, 105);
    const still = await terminal.until((screen) => screen.includes('106 seen'));
    expect(shown(still)).toEqual(range(0, listed));
    await terminal.press('j', 'j', 'Enter');
    const message = await terminal.until((screen) => screen.includes('"text": "body 2"'));
    expect(message.join('\n')).toContain('k-2');
    await terminal.press('t');
    await terminal.until((screen) => /stored +broker-a:\d@0/.test(screen));
    await terminal.press('Escape');
    await terminal.until((screen) => screen.includes('STORED'));
    await terminal.press('G');
    const end = await terminal.until((screen) => screen.includes('● live'));
    expect(shown(end)).toEqual(range(106 - listed, 106));
  });

  test('filter, mark, save, copy, resend', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'rmq-screen-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const topic = await topicWith(30);
    await server.createTopic('copies');
    const terminal = await open([topic, '--from', 'earliest'], { columns: 120, rows: 30 });
    await terminal.until((screen) => screen.includes('30 seen'));
    await terminal.press('/');
    await terminal.type('tag:third $.n > 10');
    await terminal.press('Enter');
    const filtered = await terminal.until((screen) => screen.includes('6 here'));
    expect(shown(filtered)).toEqual([12, 15, 18, 21, 24, 27]);
    await terminal.press('g', 'm', 'm');
    await terminal.until((screen) => screen.includes('2 marked'));
    await terminal.press('e', 'C-u');
    await terminal.type(join(folder, 'saved.jsonl'));
    await terminal.press('Enter');
    await terminal.until((screen) => screen.includes('saved 2 messages'));
    const saved = (await readFile(join(folder, 'saved.jsonl'), 'utf8')).trim().split('\n');
    expect(saved.map((line) => (JSON.parse(line) as { keys: string[] }).keys)).toEqual([
      ['k-12'],
      ['k-15'],
    ]);
    await terminal.press('r', 'C-u');
    await terminal.type('copies');
    await terminal.press('Enter');
    await terminal.until((screen) => screen.includes('sent a copy of 2 messages to copies'));
    expect((await server.waitFor('copies', { key: 'k-15' })).text).toContain('body 15');
    await terminal.press('y');
    await terminal.until((screen) => screen.includes('copied 2 messages'));
  });

  test('a resize is followed at once', async () => {
    const topic = await topicWith(60);
    const terminal = await open([topic, '--last', '60'], { columns: 80, rows: 24 });
    await terminal.until((screen) => screen.includes('body 59"'));
    await terminal.resize(150, 40);
    const large = await terminal.until((_screen, rows) => shown(rows).length === 36);
    expect(large.at(-1)).toMatch(/q quit\s*$/);
    await terminal.resize(60, 12);
    const small = await terminal.until((_screen, rows) => shown(rows).length === 8);
    expect(shown(small)).toEqual(range(52, 60));
    expect(small).toHaveLength(12);
  });

  test('no colour where none is wanted', async () => {
    const topic = await topicWith(3);
    const size = { columns: 80, rows: 24 };
    const color = /\u001b\[[0-9;]*3[1-6]m/;
    const plain = await open([topic, '--last', '3'], { ...size, env: { NO_COLOR: '1' } });
    await plain.until((screen) => screen.includes('body 2"'));
    expect((await plain.rows(true)).join('\n')).not.toMatch(color);
    const colored = await open([topic, '--last', '3'], size);
    await colored.until((screen) => screen.includes('body 2"'));
    expect((await colored.rows(true)).join('\n')).toMatch(color);
  });

  test.each([
    ['q', 'ended 0'],
    ['C-c', 'ended 0'],
    ['SIGTERM', 'ended 130'],
    ['SIGINT', 'ended 130'],
  ])('%s gives the terminal back as it was: %s', async (how, ended) => {
    const topic = await topicWith(1);
    const terminal = await open([topic, '--last', '1'], { columns: 80, rows: 24 });
    await terminal.until((screen) => screen.includes('body 0"'));
    expect(await terminal.state('#{alternate_on} #{cursor_flag}')).toBe('1 0');
    if (how.startsWith('SIG')) process.kill(await childOf(await terminal.pid()), how);
    else await terminal.press(how);
    const rows = await terminal.until((screen) => screen.includes('ended'));
    expect(rows.filter((line) => line !== '')).toEqual(['before', ended]);
    expect(await terminal.state('#{alternate_on} #{cursor_flag}')).toBe('0 1');
  });

  test('what cannot be read is an error on the normal screen', async () => {
    const terminal = await open(['nowhere'], { columns: 80, rows: 24 });
    const rows = await terminal.until((screen) => screen.includes('ended'));
    expect(rows.join('\n')).toContain('error: there is no topic nowhere');
    expect(rows.join('\n')).toContain('ended 5');
  });
});

/** The command that a shell runs. */
async function childOf(pid: number): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return Number(children.trim().split(' ')[0]);
}
