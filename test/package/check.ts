/**
 * The package as others get it: packs, installs the tarball in an empty folder, and there starts a
 * server, sends and receives over gRPC, and runs commands. Ends with `N passed, N failed`.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { firstMessage } from '../bench/grpc-client.ts';
import { createTopic } from '../support/create-topic.ts';
import { startProcess } from '../support/processes.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));

let passed = 0;
let failed = 0;

async function check<T>(name: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    const result = await work();
    passed += 1;
    console.log(`ok    ${name}`);
    return result;
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name}: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

function expectText(text: string, part: string): void {
  if (!text.includes(part)) throw new Error(`no ${part} in: ${text.slice(0, 500)}`);
}

async function packAndInstall(folder: string): Promise<string> {
  const { stdout } = await run(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', folder],
    {
      cwd: root,
    },
  );
  const [packed] = JSON.parse(stdout) as { filename: string }[];
  const home = join(folder, 'elsewhere');
  await mkdir(home);
  await writeFile(join(home, 'package.json'), '{"private":true,"type":"module"}\n');
  await run('npm', ['install', '--no-fund', '--no-audit', join(folder, packed?.filename ?? '')], {
    cwd: home,
  });
  return home;
}

async function useIt(home: string): Promise<void> {
  const executable = join(home, 'node_modules/rmq/bin/rmq.js');
  const rmq = async (...args: string[]): Promise<string> =>
    (await run(process.execPath, [executable, ...args], { cwd: home })).stdout;
  await check('--version', async () => expectText(await rmq('--version'), '0.'));
  const server = await check('starts', () =>
    startProcess(['--data', join(home, 'data')], { executable }),
  );
  if (server === undefined) return;
  try {
    await check('sends and receives over gRPC', async () => {
      await createTopic(String(server.ready.broker), 'packed');
      await firstMessage(String(server.ready.grpc), 'packed', 'packed-group');
    });
    const at = ['--namesrv', String(server.ready.namesrv)];
    await check('topic create, send', async () => {
      await rmq('topic', 'create', 'greetings', ...at);
      await rmq('send', 'greetings', 'hello', ...at);
    });
    await check('topic list', async () =>
      expectText(await rmq('topic', 'list', ...at), 'greetings'),
    );
    await check('cluster list', async () =>
      expectText(await rmq('cluster', 'list', ...at), 'proxy'),
    );
  } finally {
    await check('stops', () => server.stop());
  }
  await check('the library starts and stops a server', async () => {
    const program = `
      import { startRmq } from 'rmq';
      const server = await startRmq();
      console.log('started');
      await server.stop();
    `;
    await writeFile(join(home, 'program.js'), program);
    const { stdout } = await run(process.execPath, ['program.js'], { cwd: home, timeout: 20_000 });
    expectText(stdout, 'started');
  });
}

const folder = await mkdtemp(join(tmpdir(), 'rmq-package-'));
try {
  const home = await check('packs and installs elsewhere', () => packAndInstall(folder));
  if (home !== undefined) await useIt(home);
} finally {
  await rm(folder, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
