/**
 * Whether a message costs a server the same however many topics, clients and messages there are:
 *
 *   node test/bench/scale-server.ts [--only topics|clients|messages] [--seconds 3] [--rounds 3]
 *     [--topics 10000] [--stored 1000000]
 *
 * One process has all roles, on a real disk, `flush: async`, bodies of 128 bytes; this one makes the load, so that
 * the server's CPU is its own (/proc, Linux). Each table has its base line in the same run, in turns; build first.
 *
 * - topics: 64 sends in flight over gRPC to 1, 1,000 and all (`--topics`) topics of ten queues each.
 * - clients: 64 sends in flight, by 64 connections, by 1,000 that take turns, and by 1, where all share its writes.
 * - messages: sends, receives, and pulls from the begin, with 10,000 messages stored and with many.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { RemotingClient } from '../../src/client/remoting-client.ts';
import { nodeClock } from '../../src/platform/node-clock.ts';
import { nodeNetwork } from '../../src/platform/node-network.ts';
import { encodeSendMessageRequest } from '../../src/protocol/grpc/generated/messages.ts';
import { createTopicWith } from '../support/create-topic.ts';
import { type ServerProcess, startProcess } from '../support/processes.ts';
import { messageIdOf } from './grpc-client.ts';
import { GrpcLoad } from './grpc-load.ts';

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    stored: { type: 'string', default: '1000000' },
    topics: { type: 'string', default: '10000' },
  },
});

const path = '/apache.rocketmq.v2.MessagingService/SendMessage';
const program = fileURLToPath(new URL('../../bin/rmq.js', import.meta.url));
const body = Buffer.alloc(128, 'x');
const out = (text: string): void => void process.stdout.write(`${text}\n`);
let sequence = 0;

function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10; // USER_HZ is 100
}

function residentMiB(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}

function request(topic: string): Uint8Array {
  const systemProperties = {
    messageId: messageIdOf(sequence++),
    messageType: 1,
    bodyEncoding: 1,
    bornTimestampMs: Date.now(),
    bornHost: 'bench',
  };
  return encodeSendMessageRequest({
    messages: [{ topic: { name: topic }, systemProperties, body }],
  });
}

function portOf({ ready }: ServerProcess): { readonly host: string; readonly port: number } {
  const address = String(ready.grpc);
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}

/** µs of the server's CPU a send, `inFlight` at a time by so many connections that take turns. */
async function sendCost(
  server: ServerProcess,
  load: { readonly connections: number; readonly inFlight: number; readonly topic: () => string },
): Promise<number> {
  const { pid } = server.ready;
  const connections: GrpcLoad[] = [];
  let turn = 0;
  const shared = load.connections > load.inFlight;
  const next = (): void => connections[turn++ % connections.length]?.callOnce();
  for (let index = 0; index < load.connections; index++) {
    const inFlight = shared ? 0 : load.inFlight / load.connections;
    const message = (): Uint8Array => request(load.topic());
    connections.push(
      new GrpcLoad({ ...portOf(server), path, message, inFlight, ...(shared ? { next } : {}) }),
    );
  }
  for (const one of connections) one.start();
  if (shared) for (let index = 0; index < load.inFlight; index++) next();
  const done = (): number => connections.reduce((sum, one) => sum + one.doneCount, 0);
  await sleep(500);
  const beginCpuMs = cpuMs(pid);
  const beginCount = done();
  await sleep(Number(flags.seconds) * 1000);
  const cost = ((cpuMs(pid) - beginCpuMs) * 1000) / (done() - beginCount);
  await Promise.all(connections.map((one) => one.stop()));
  const failed = connections.reduce((sum, one) => sum + one.failedCount, 0);
  for (const one of connections) one.close();
  if (failed > 0) throw new Error(`${failed} calls failed`);
  return cost;
}

type Case = readonly [name: string, run: () => Promise<number>];

/** Medians of rounds in turn, the first of which does not count, beside the first case. */
async function table(title: string, cases: readonly Case[]): Promise<void> {
  const costs = cases.map((): number[] => []);
  for (let round = 0; round <= Number(flags.rounds); round++) {
    for (const [index, [, run]] of cases.entries()) {
      const cost = await run();
      if (round > 0) costs[index]?.push(cost);
    }
  }
  const medians = costs.map(
    (all) => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0,
  );
  for (const [index, [name]] of cases.entries()) {
    const median = medians[index] ?? 0;
    const ratio = (median / (medians[0] ?? 1)).toFixed(2);
    out(`${`${title}, ${name}`.padEnd(60)}${median.toFixed(1).padStart(8)} µs   × ${ratio}`);
  }
}

async function withServer(work: (server: ServerProcess) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'rmq-scale-'));
  const server = await startProcess(['--data', folder, '--flush', 'async']);
  try {
    await work(server);
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function makeTopics(server: ServerProcess, count: number, queueCount: number): Promise<void> {
  const client = new RemotingClient({ network: nodeNetwork, clock: nodeClock });
  const broker = String(server.ready.broker);
  for (let first = 0; first < count; first += 100) {
    const batch = Array.from({ length: Math.min(100, count - first) }, (_, index) =>
      createTopicWith(client, broker, `scale-${first + index}`, queueCount),
    );
    await Promise.all(batch);
  }
  await client.close();
}

async function idleCost(server: ServerProcess): Promise<string> {
  const { pid } = server.ready;
  const beginMs = cpuMs(pid);
  await sleep(5_000);
  return `${((cpuMs(pid) - beginMs) / 50).toFixed(1)} % of a core, ${residentMiB(pid).toFixed(0)} MiB resident`;
}

function topics(): Promise<void> {
  return withServer(async (server) => {
    out(`idle, no topic: ${await idleCost(server)}`);
    const all = Number(flags.topics);
    const beganMs = performance.now();
    await makeTopics(server, all, 10);
    const tookMs = performance.now() - beganMs;
    out(
      `idle, ${all} topics: ${await idleCost(server)}; made in ${(tookMs / all).toFixed(2)} ms each`,
    );
    const caseOf = (count: number): Case => [
      `${count} of ${all} topics`,
      () =>
        sendCost(server, {
          connections: 4,
          inFlight: 64,
          topic: () => `scale-${Math.floor(Math.random() * count)}`,
        }),
    ];
    await table('send', [1, 1_000, all].map(caseOf));
    out(`then: ${await idleCost(server)}`);
  });
}

function clients(): Promise<void> {
  return withServer(async (server) => {
    await makeTopics(server, 1, 8);
    const caseOf = (connections: number, inFlight: number): Case => [
      `${connections} connections, ${inFlight} in flight`,
      () => sendCost(server, { connections, inFlight, topic: () => 'scale-0' }),
    ];
    await table('send', [caseOf(64, 64), caseOf(1_000, 64), caseOf(1, 64)]);
    out(`then: ${await idleCost(server)}`);
  });
}

/** µs of the server's CPU a message while a process of `rmq bench` works; its own count is the divisor. */
async function benchCost(server: ServerProcess, args: readonly string[]): Promise<number> {
  const { pid, namesrv, grpc } = server.ready;
  const proxy = args.includes('remoting') ? [] : ['--proxy', String(grpc)];
  const beginMs = cpuMs(pid);
  const all = ['bench', ...args, ...proxy, '--namesrv', String(namesrv), '--topic', 'scale-0'];
  const { stdout } = await promisify(execFile)(process.execPath, [
    program,
    ...all,
    '--warmup',
    '0ms',
    '--output',
    'json',
  ]);
  const usedMs = cpuMs(pid) - beginMs;
  const result = JSON.parse(stdout) as { messages: number } | { messages: number }[];
  const { messages } = Array.isArray(result) ? (result[0] ?? { messages: 0 }) : result;
  return (usedMs * 1000) / messages;
}

function messages(): Promise<void> {
  return withServer(async (server) => {
    await makeTopics(server, 1, 8);
    const remoting = ['--protocol', 'remoting'];
    const fill = (count: number): Promise<number> =>
      benchCost(server, [
        'produce',
        ...remoting,
        '--batch',
        '200',
        '-w',
        '4',
        '--count',
        `${count}`,
      ]);
    const cases: readonly Case[] = [
      ['send', () => benchCost(server, ['produce', '-w', '64', '--count', '50000'])],
      ['receive and acknowledge', () => benchCost(server, ['consume', '--count', '50000'])],
      [
        'pull from the begin',
        () => benchCost(server, ['consume', ...remoting, '--count', '100000']),
      ],
    ];
    await fill(10_000);
    await table('10,000 to begin with', cases);
    out(`${await idleCost(server)}`);
    const stored = Number(flags.stored);
    out(`filling: ${(await fill(stored)).toFixed(1)} µs a message`);
    await table(`${stored} more`, cases);
    out(`${await idleCost(server)}`);
  });
}

if (flags.only === undefined || flags.only === 'topics') await topics();
if (flags.only === undefined || flags.only === 'clients') await clients();
if (flags.only === undefined || flags.only === 'messages') await messages();
