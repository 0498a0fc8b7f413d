/** `rmq start` as a process: ready line, signals, and what it refuses without touching anything. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { rmq } from '../support/cli.ts';
import { startProcess } from '../support/processes.ts';

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'rmq-test-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

test('the ready line has the addresses, and SIGTERM ends it with 0', async () => {
  const server = await startProcess(['--memory']);
  expect(server.ready).toEqual({
    pid: server.child.pid,
    namesrv: expect.stringMatching(/^127\.0\.0\.1:\d+$/) as string,
    broker: expect.stringMatching(/^127\.0\.0\.1:\d+$/) as string,
    grpc: expect.stringMatching(/^127\.0\.0\.1:\d+$/) as string,
    remoting: null,
    dataDir: null,
    readyMs: expect.any(Number) as number,
  });
  await server.stop();
  expect(server.child.exitCode).toBe(0);
  expect(server.log()).toBe('');
});

test('roles that do not run here are null', async () => {
  const server = await startProcess(['--role', 'nameserver', '--memory']);
  onTestFinished(() => server.stop());
  expect(server.ready).toMatchObject({ broker: null, grpc: null });
});

test('a second Ctrl-C does not wait for the connections that the first one drains', async () => {
  const server = await startProcess(['--memory']);
  onTestFinished(() => server.stop());
  const [host = '', port = ''] = String(server.ready.grpc).split(':');
  // Says nothing and stays, so that draining takes its whole time.
  const idle = connect(Number(port), host).on('error', () => {});
  onTestFinished(() => void idle.destroy());
  await once(idle, 'connect');
  const ended = once(server.child, 'exit');
  server.child.kill('SIGINT');
  await vi.waitFor(
    async () => {
      const late = connect(Number(port), host);
      const connected = once(late, 'connect').finally(() => late.destroy());
      await expect(connected).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    },
    { timeout: 2_000, interval: 10 },
  );
  expect(server.child.exitCode).toBeNull();
  const begunMs = performance.now();
  server.child.kill('SIGINT');
  const [code] = (await ended) as [number | null];
  expect(performance.now() - begunMs).toBeLessThan(1_000);
  expect(code).toBe(130);
});

test('plain start says where it listens and how to send the first message', async () => {
  const { code, stdout, stderr } = await rmq(['start', '--memory', '--ports', 'auto'], {
    onStdout: (soFar, child) => {
      if (soFar.includes('rmq tail')) child.kill('SIGINT');
    },
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/rmq is ready in \d+ ms/);
  expect(stdout).toMatch(/NameServer +127\.0\.0\.1:\d+/);
  expect(stdout).toMatch(/Proxy +127\.0\.0\.1:\d+/);
  expect(stdout).toContain('rmq send orders hello');
});

test('messages survive a restart, and the data folder is named', async () => {
  const data = await folder();
  const first = await startProcess(['--data', data]);
  const namesrv = ['--namesrv', String(first.ready.namesrv)];
  expect((await rmq(['send', 'kept', 'hello', ...namesrv])).code).toBe(0);
  await first.stop();
  const second = await startProcess(['--data', data]);
  onTestFinished(() => second.stop());
  expect(second.ready.dataDir).toBe(data);
  const again = ['--namesrv', String(second.ready.namesrv)];
  const { stdout } = await rmq(['tail', 'kept', '--from', 'earliest', '--no-follow', ...again]);
  expect(stdout).toContain('hello');
});

test('a busy port is one line, and nothing is created', async () => {
  const data = join(await folder(), 'data');
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  onTestFinished(() => void holder.close());
  const { port } = holder.address() as { port: number };
  const { code, stdout, stderr } = await rmq([
    'start',
    '--ports',
    'auto',
    '--broker-port',
    String(port),
    '--data',
    data,
  ]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(new RegExp(`^error: .*${port}.*\\nhint: .*--broker-port.*\\n$`));
  expect(existsSync(data)).toBe(false);
});

test('a data folder in use is one line that names the holder', async () => {
  const data = await folder();
  const server = await startProcess(['--data', data]);
  onTestFinished(() => server.stop());
  const { code, stdout, stderr } = await rmq(['start', '--ports', 'auto', '--data', data]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain(String(server.ready.pid));
  expect(stderr.trim().split('\n').length).toBeLessThanOrEqual(2);
});

test.each([
  [['--grpc-port', '99999'], '--grpc-port: "99999" is not allowed: 0 to 65535'],
  [['--flush', 'snyc'], 'did you mean sync?'],
  [['--role', 'broker', '--role', 'poxy'], 'did you mean proxy?'],
  [['--listen', '0.0.0.0'], '--insecure'],
  [['--config', 'there-is-no-such-file.yaml'], 'there is no such file'],
  [['--memory', '--data', 'x'], '--memory and --data exclude each other'],
])('a wrong setting is exit 2: %j', async (flags, text) => {
  const { code, stdout, stderr } = await rmq(['start', ...flags]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(text);
});

test('flags win over variables over the file', async () => {
  const path = join(await folder(), 'rmq.yaml');
  await writeFile(
    path,
    'memory: true\nbroker-name: from-file\ncluster-name: from-file\nlog-level: error\n',
  );
  const child = spawn(
    process.execPath,
    [
      'bin/rmq.js',
      'start',
      '--config',
      path,
      '--ports',
      'auto',
      '--ready-json',
      `${path}.json`,
      '--broker-name',
      'from-flag',
    ],
    {
      env: { ...process.env, RMQ_BROKER_NAME: 'from-env', RMQ_CLUSTER_NAME: 'from-env' },
      stdio: 'ignore',
    },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  await expect.poll(() => existsSync(`${path}.json`), { timeout: 10_000 }).toBe(true);
  const ready = JSON.parse(await readFile(`${path}.json`, 'utf8')) as { namesrv: string };
  const { stdout } = await rmq(['cluster', 'list', '-o', 'json', '--namesrv', ready.namesrv]);
  expect(JSON.parse(stdout)).toContainEqual(
    expect.objectContaining({ role: 'broker', name: 'from-flag', clusterName: 'from-env' }),
  );
});

test('an unknown key of the file is named with the nearest one', async () => {
  const path = join(await folder(), 'rmq.yaml');
  await writeFile(path, 'brokerName: x\n');
  const { code, stderr } = await rmq(['start', '--config', path]);
  expect(code).toBe(2);
  expect(stderr).toBe(
    `error: ${path}: unknown setting "brokerName"\nhint: did you mean broker-name?\n`,
  );
});

test('--exit-with-parent ends with the end of stdin', async () => {
  const server = await startProcess(['--memory']);
  server.child.stdin?.end();
  const [code] = (await once(server.child, 'exit')) as [number];
  expect(code).toBe(0);
});
