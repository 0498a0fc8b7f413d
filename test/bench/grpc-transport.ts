/**
 * What a SendMessage call costs the server in CPU, on our own transport and on grpc-js, in one run: with a
 * handler that does nothing but decode and answer, and with the whole broker (in memory) behind it.
 *
 *   node test/bench/grpc-transport.ts [--rounds 5] [--seconds 2] [--only empty|broker] [--profile DIR]
 *
 * Linux (CPU from /proc). The broker part runs `bin/rmq.js`, so build first.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  Code,
  decodeSendMessageRequest,
  encodeSendMessageRequest,
  encodeSendMessageResponse,
} from '../../src/protocol/grpc/generated/messages.ts';
import type { TransportKind } from '../../src/server/proxy/grpc/transports.ts';
import type { Service } from '../../src/transport/grpc/call.ts';
import { createTopic } from '../support/create-topic.ts';
import { runTransport } from '../support/grpc-transports.ts';
import { startProcess } from '../support/processes.ts';
import { firstMessage, firstRoute, messageIdOf } from './grpc-client.ts';
import { GrpcLoad } from './grpc-load.ts';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    only: { type: 'string' },
    serve: { type: 'string' },
    profile: { type: 'string' },
  },
});

const path = '/apache.rocketmq.v2.MessagingService/SendMessage';
const kinds: readonly TransportKind[] = ['own', 'grpc-js'];
const loads = [
  { connections: 1, inFlight: 1 },
  { connections: 1, inFlight: 32 },
  { connections: 4, inFlight: 64 },
];

/** Answers what a broker would, without one. */
const emptyService: Service = {
  name: 'apache.rocketmq.v2.MessagingService',
  methods: [
    {
      kind: 'unary',
      name: 'SendMessage',
      run: (_call, message, reply) => {
        const { messages } = decodeSendMessageRequest(message);
        const messageId = messages[0]?.systemProperties?.messageId ?? '';
        const status = { code: Code.OK, message: 'OK' };
        reply(encodeSendMessageResponse({ status, entries: [{ status, messageId, offset: 1 }] }));
      },
    },
  ],
};

async function serve(kind: TransportKind): Promise<void> {
  const { transport, address } = await runTransport(kind, { service: emptyService });
  console.log(address.port);
  process.once('SIGTERM', () => {
    transport.close();
    process.exit(0);
  });
  process.stdin.resume().on('end', () => process.exit(0));
}

interface Server {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

async function startEmpty(kind: TransportKind): Promise<Server> {
  const program = fileURLToPath(import.meta.url);
  const profile =
    flags.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${flags.profile}`];
  const args = [...profile, program, '--serve', kind];
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout?.once('data', (line: Buffer) => resolve(Number(line.toString())));
    child.once('exit', () => reject(new Error('the server ended')));
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await new Promise((resolve) => child.once('exit', resolve));
  };
  return { host: '127.0.0.1', port, pid: child.pid ?? 0, stop };
}

async function startBroker(kind: TransportKind): Promise<Server> {
  const server = await startProcess(['--memory', '--grpc-transport', kind]);
  const address = String(server.ready.grpc);
  const colon = address.lastIndexOf(':');
  await createTopic(String(server.ready.broker), 'bench');
  await firstRoute(address, 'bench');
  await firstMessage(address, 'bench', 'bench-group');
  return {
    host: address.slice(0, colon),
    port: Number(address.slice(colon + 1)),
    pid: server.ready.pid,
    stop: server.stop,
  };
}

/** User and system time so far. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10; // USER_HZ is 100
}

interface Cost {
  readonly cpuUs: number;
  readonly callsPerSecond: number;
}

const body = Buffer.alloc(128, 'x');

function request(sequence: number): Uint8Array {
  const systemProperties = {
    messageId: messageIdOf(sequence),
    messageType: 1,
    bodyEncoding: 1,
    bornTimestampMs: 1_795_000_000_000,
    bornHost: 'bench',
  };
  return encodeSendMessageRequest({
    messages: [{ topic: { name: 'bench' }, systemProperties, body }],
  });
}

async function measure(server: Server, load: (typeof loads)[number]): Promise<Cost> {
  const { host, port } = server;
  const { inFlight } = load;
  const connections = Array.from(
    { length: load.connections },
    () => new GrpcLoad({ host, port, path, message: request, inFlight }),
  );
  for (const one of connections) one.start();
  await sleep(300); // the compiler's turn
  const done = (): number => connections.reduce((sum, one) => sum + one.doneCount, 0);
  const beginMs = performance.now();
  const beginCpuMs = cpuMs(server.pid);
  const beginCount = done();
  await sleep(Number(flags.seconds) * 1000);
  const count = done() - beginCount;
  const cpuUs = ((cpuMs(server.pid) - beginCpuMs) * 1000) / count;
  const callsPerSecond = (count * 1000) / (performance.now() - beginMs);
  await Promise.all(connections.map((one) => one.stop()));
  const failed = connections.reduce((sum, one) => sum + one.failedCount, 0);
  for (const one of connections) one.close();
  if (failed > 0) throw new Error(`${failed} calls failed`);
  return { cpuUs, callsPerSecond };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function compare(
  what: string,
  start: (kind: TransportKind) => Promise<Server>,
): Promise<void> {
  const servers = new Map<TransportKind, Server>();
  for (const kind of kinds) servers.set(kind, await start(kind));
  try {
    for (const load of loads) {
      const costs = new Map<TransportKind, Cost[]>(kinds.map((kind) => [kind, []]));
      for (let round = 0; round <= Number(flags.rounds); round += 1) {
        for (const [kind, server] of servers) {
          const cost = await measure(server, load);
          if (round > 0) costs.get(kind)?.push(cost); // the first warms up
        }
      }
      report(what, load, costs);
    }
  } finally {
    for (const server of servers.values()) await server.stop();
  }
}

function report(
  what: string,
  load: (typeof loads)[number],
  costs: ReadonlyMap<TransportKind, readonly Cost[]>,
): void {
  const name = `${what}, ${load.connections} × ${load.inFlight}`;
  const cells = kinds.map((kind) => {
    const cpuUs = median((costs.get(kind) ?? []).map((cost) => cost.cpuUs));
    const rate = median((costs.get(kind) ?? []).map((cost) => cost.callsPerSecond));
    return { kind, cpuUs, rate };
  });
  const [own, other] = cells;
  const ratio = ((other?.cpuUs ?? 0) / (own?.cpuUs ?? 1)).toFixed(1);
  const text = cells
    .map(
      ({ kind, cpuUs, rate }) =>
        `${kind} ${cpuUs.toFixed(1).padStart(6)} µs ${Math.round(rate).toString().padStart(7)}/s`,
    )
    .join('   ');
  console.log(`${name.padEnd(28)}${text}   × ${ratio}`);
}

if (flags.serve !== undefined) await serve(flags.serve as TransportKind);
else {
  if (flags.only !== 'broker') await compare('empty handler', startEmpty);
  if (flags.only !== 'empty') await compare('broker in memory', startBroker);
}
