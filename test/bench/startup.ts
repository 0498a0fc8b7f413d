/**
 * What a user waits for, from outside: exec of `rmq start` to ready and to a first message over
 * gRPC, memory and CPU at rest, and commands against it. Medians.
 *
 *   node test/bench/startup.ts [--rounds 10] [--idle-seconds 10] [--json] [--apache]
 *
 * `--apache` measures Apache RocketMQ 5.4.0 the same way with ../shared/reference/apache (default
 * ports; three JVMs). Linux: memory and CPU come from /proc.
 */
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { createTopic } from '../support/create-topic.ts';
import { startProcess } from '../support/processes.ts';
import { firstMessage, firstRoute } from './grpc-client.ts';

const executable = fileURLToPath(new URL('../../bin/rmq.js', import.meta.url));
const apache = fileURLToPath(new URL('../../../shared/reference/apache', import.meta.url));
const run = promisify(execFile);

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    'idle-seconds': { type: 'string', default: '10' },
    json: { type: 'boolean', default: false },
    apache: { type: 'boolean', default: false },
  },
});

const rounds = Number(flags.rounds);
const idleMs = Number(flags['idle-seconds']) * 1000;
const ticksPerSecond = 100; // USER_HZ on every Linux that Node runs on

interface Measured {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly wanted?: number;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Resident MiB and CPU milliseconds so far of the processes together. */
function usage(pids: readonly number[]): { residentMiB: number; cpuMs: number } {
  let residentMiB = 0;
  let cpuMs = 0;
  for (const pid of pids) {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    residentMiB += Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
    // Fields 14 and 15, counted behind the name, which may hold blanks.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    cpuMs += ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond;
  }
  return { residentMiB, cpuMs };
}

async function idleOf(pids: readonly number[]): Promise<Measured[]> {
  await sleep(3000); // what starting left behind settles
  const before = usage(pids);
  await sleep(idleMs);
  const after = usage(pids);
  const share = ((after.cpuMs - before.cpuMs) / idleMs) * 100;
  return [
    { what: 'idle memory', value: after.residentMiB, unit: 'MiB', wanted: 120 },
    { what: 'idle CPU', value: share, unit: '% of a core', wanted: 0.5 },
  ];
}

async function wallOf(command: string, args: readonly string[]): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const begunMs = performance.now();
    await run(command, [...args]);
    times.push(performance.now() - begunMs);
  }
  return median(times);
}

async function measureOurs(): Promise<Measured[]> {
  const ready: number[] = [];
  const firsts: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const folder = await mkdtemp(join(tmpdir(), 'rmq-bench-'));
    const begunMs = performance.now();
    const server = await startProcess(['--data', folder]);
    ready.push(performance.now() - begunMs);
    await createTopic(String(server.ready.broker), 'bench');
    await firstMessage(String(server.ready.grpc), 'bench', 'bench-group');
    firsts.push(performance.now() - begunMs);
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
  const folder = await mkdtemp(join(tmpdir(), 'rmq-bench-'));
  const server = await startProcess(['--data', folder]);
  try {
    const idle = await idleOf([server.ready.pid]);
    const at = ['--namesrv', String(server.ready.namesrv)];
    const topics = await wallOf(process.execPath, [executable, 'topic', 'list', ...at]);
    const cluster = await wallOf(process.execPath, [executable, 'cluster', 'list', ...at]);
    return [
      { what: 'exec to ready', value: median(ready), unit: 'ms', wanted: 400 },
      { what: 'exec to first message', value: median(firsts), unit: 'ms', wanted: 600 },
      ...idle,
      { what: 'topic list', value: topics, unit: 'ms', wanted: 200 },
      { what: 'cluster list', value: cluster, unit: 'ms', wanted: 200 },
    ];
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function measureApache(): Promise<Measured[]> {
  const folder = await mkdtemp(join(tmpdir(), 'apache-bench-'));
  const env = { ...process.env, DIR: folder };
  const admin = async (...args: string[]): Promise<number> => {
    const begunMs = performance.now();
    await run(apache, ['admin', ...args], { env });
    return performance.now() - begunMs;
  };
  try {
    const begunMs = performance.now();
    execFileSync(apache, ['start'], { env, stdio: 'ignore' });
    const readyMs = performance.now() - begunMs;
    await createTopic('127.0.0.1:10911', 'bench');
    await firstRoute('127.0.0.1:8081', 'bench');
    const sentMs = performance.now();
    await firstMessage('127.0.0.1:8081', 'bench', 'bench-group');
    const firstMs = readyMs + performance.now() - sentMs;
    const status = execFileSync(apache, ['status'], { env, encoding: 'utf8' });
    const pids = [...status.matchAll(/^\w+ +(\d+)/gm)].map(([, pid]) => Number(pid));
    const idle = await idleOf(pids);
    const topics = median([await admin('topicList'), await admin('topicList')]);
    const cluster = median([await admin('clusterList'), await admin('clusterList')]);
    return [
      { what: 'exec to ready', value: readyMs, unit: 'ms' },
      { what: 'exec to first message', value: firstMs, unit: 'ms' },
      ...idle,
      { what: 'topic list', value: topics, unit: 'ms' },
      { what: 'cluster list', value: cluster, unit: 'ms' },
    ];
  } finally {
    execFileSync(apache, ['stop'], { env, stdio: 'ignore' });
    await rm(folder, { recursive: true, force: true });
  }
}

const measured = await (flags.apache ? measureApache() : measureOurs());
if (flags.json) console.log(JSON.stringify(measured));
else {
  for (const { what, value, unit, wanted: goalValue } of measured) {
    const wanted = flags.apache ? undefined : goalValue;
    const goal =
      wanted === undefined ? '' : `   wanted < ${wanted}${value < wanted ? '' : '  MISSED'}`;
    console.log(`${what.padEnd(24)}${value.toFixed(2).padStart(10)} ${unit.padEnd(12)}${goal}`);
  }
}
