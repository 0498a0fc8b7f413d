/** Named clusters, against a real server. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { contextsPath } from '../../src/commands/shared/contexts.ts';
import { type Rmq, startRmq } from '../../src/index.ts';
import { rmq } from '../support/cli.ts';

let server: Rmq;
let home: string;
const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  rmq(args, { env: { XDG_CONFIG_HOME: home, ...env } });
const json = async (args: readonly string[]): Promise<unknown> => {
  const { code, stdout, stderr } = await run([...args, '--output', 'json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
};

beforeAll(async () => {
  server = await startRmq({ topics: { orders: { queues: 1 } } });
});
afterAll(() => server.stop());
beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rmq-contexts-'));
  home = folder;
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

test('the first context is in use; use, previous and remove change that', async () => {
  const { namesrv } = server.endpoints;
  expect(await json(['context', 'list'])).toEqual([]);
  expect(await json(['context', 'add', 'dev', namesrv, '--description', 'here'])).toMatchObject({
    name: 'dev',
    namesrv: [namesrv],
    description: 'here',
    isCurrent: true,
  });
  await json(['context', 'add', 'far', '127.0.0.1:1;127.0.0.1:2']);
  expect(await json(['topic', 'list'])).toMatchObject([{ topic: 'orders' }]);
  expect(await json(['context', 'use', 'far'])).toMatchObject({ name: 'far', isCurrent: true });
  const refused = await run(['topic', 'list']);
  expect(refused.code).toBe(3);
  expect(refused.stderr).toContain('the address is from context far');
  expect(await json(['context', 'previous'])).toMatchObject({ name: 'dev' });
  expect(await json(['context', 'show'])).toMatchObject({ name: 'dev' });
  expect(await json(['context', 'show', 'far'])).toMatchObject({ isCurrent: false });
  const removed = await run(['context', 'remove', 'dev']);
  expect(removed.code).toBe(0);
  expect(removed.stderr).toContain('it was in use');
  expect((await run(['context', 'list', '-o', 'name'])).stdout).toBe('far\n');
  expect((await run(['context', 'show'])).code).toBe(2);
});

test('a flag beats a variable, that the context in use', async () => {
  const { namesrv } = server.endpoints;
  await json(['context', 'add', 'far', '127.0.0.1:1']);
  await json(['context', 'add', 'dev', namesrv]);
  const list = ['topic', 'list', '-o', 'name'];
  expect((await run(list)).code).toBe(3);
  expect((await run([...list, '--context', 'dev'])).stdout).toBe('orders\n');
  expect((await run([...list, '--namesrv', namesrv])).stdout).toBe('orders\n');
  expect((await run(list, { RMQ_CONTEXT: 'dev' })).stdout).toBe('orders\n');
  expect((await run(list, { RMQ_NAMESRV: namesrv, RMQ_CONTEXT: 'far' })).stdout).toBe('orders\n');
  expect((await run([...list, '--context', 'far'], { RMQ_NAMESRV: namesrv })).code).toBe(3);
  const unknown = await run([...list, '--context', 'dve']);
  expect(unknown.code).toBe(2);
  expect(unknown.stderr).toContain('did you mean dev?');
});

test('a context for reading refuses what changes something', async () => {
  await json(['context', 'add', 'prod', server.endpoints.namesrv, '--read-only']);
  expect((await run(['topic', 'list', '-o', 'name'])).stdout).toBe('orders\n');
  const create = await run(['topic', 'create', 'new']);
  expect(create.code).toBe(4);
  expect(create.stderr).toContain('context prod is for reading only');
  const dry = await run(['topic', 'delete', 'orders', '--dry-run']);
  expect(dry.code).toBe(0);
});

test('wrong names, wrong addresses and a damaged file are one line each', async () => {
  expect((await run(['context', 'add', 'a b', '127.0.0.1:1'])).code).toBe(2);
  expect((await run(['context', 'add', 'a', 'nowhere'])).stderr).toContain('HOST:PORT');
  await json(['context', 'add', 'a', '127.0.0.1:1']);
  expect((await run(['context', 'add', 'a', '127.0.0.1:2'])).stderr).toContain('--replace');
  expect(await json(['context', 'add', 'a', '127.0.0.1:2', '--replace'])).toMatchObject({
    namesrv: ['127.0.0.1:2'],
  });
  const path = join(home, 'rmq', 'contexts.json');
  expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ current: 'a' });
  await writeFile(path, '{"contexts":{"a":{}}}');
  const damaged = await run(['topic', 'list']);
  expect(damaged.code).toBe(2);
  expect(damaged.stderr).toContain('contexts.json is damaged: context a has no list');
});

test('the file lies where the platform keeps settings', () => {
  const of = (platform: string, environment: Readonly<Record<string, string>>): string =>
    contextsPath({ platform, environment, homeFolder: '/home/u' });
  expect(of('linux', {})).toBe('/home/u/.config/rmq/contexts.json');
  expect(of('linux', { XDG_CONFIG_HOME: '/c' })).toBe('/c/rmq/contexts.json');
  expect(of('linux', { XDG_CONFIG_HOME: 'c' })).toBe('/home/u/.config/rmq/contexts.json');
  expect(of('darwin', {})).toBe('/home/u/Library/Preferences/rmq/contexts.json');
  expect(of('win32', { APPDATA: 'C:/a' })).toBe('C:/a/rmq/contexts.json');
});
