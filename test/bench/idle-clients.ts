/**
 * What connected clients cost that do nothing: memory a connection, and whether a send still takes as long.
 *
 *   node test/bench/idle-clients.ts [--remoting 10000] [--grpc 2000] [--seconds 5]
 *
 * One process serves all roles. A Remoting client has connected and said a heartbeat; a gRPC client has a
 * connection of its own with an open telemetry stream. Sends go one after the other, over a connection of
 * their own, before, beside and after the idle ones.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { RequestCode } from '../../src/protocol/remoting/codes.ts';
import { frame } from '../fuzz/remoting-attacks.ts';
import { createTopic } from '../support/create-topic.ts';
import { startProcess } from '../support/processes.ts';
import { GrpcProbe, messageIdOf } from './grpc-client.ts';

const { values: flags } = parseArgs({
  options: {
    remoting: { type: 'string', default: '10000' },
    grpc: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: '5' },
  },
});

const topic = 'idle-bench';
const body = Buffer.alloc(128, 'x');

function residentKiB(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib);
}

async function remotingClient(host: string, port: number, index: number): Promise<Socket> {
  const socket = connect(port, host);
  await once(socket, 'connect');
  const consumer = {
    groupName: `idle-${index % 100}`,
    consumeType: 'CONSUME_PASSIVELY',
    messageModel: 'CLUSTERING',
    consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
    subscriptionDataSet: [{ topic, subString: '*', tagsSet: [], codeSet: [], subVersion: 1 }],
    unitMode: false,
  };
  const heartbeat = { clientID: `idle-${index}`, producerDataSet: [], consumerDataSet: [consumer] };
  socket.write(frame(RequestCode.HEART_BEAT, {}, Buffer.from(JSON.stringify(heartbeat))));
  await once(socket, 'data');
  return socket;
}

/** Opens so many, 100 at a time. */
async function openAll<T>(count: number, open: (index: number) => Promise<T>): Promise<T[]> {
  const opened: T[] = [];
  while (opened.length < count) {
    const from = opened.length;
    const batch = Array.from({ length: Math.min(100, count - from) }, (_, i) => open(from + i));
    opened.push(...(await Promise.all(batch)));
  }
  return opened;
}

async function sendLatencies(grpc: string, sequence: { next: number }): Promise<number[]> {
  const probe = new GrpcProbe(grpc);
  const latenciesMs: number[] = [];
  const untilMs = performance.now() + Number(flags.seconds) * 1000;
  while (performance.now() < untilMs) {
    const begunMs = performance.now();
    await probe.send(topic, body, messageIdOf(sequence.next++));
    latenciesMs.push(performance.now() - begunMs);
  }
  probe.close();
  return latenciesMs.toSorted((a, b) => a - b);
}

const folder = await mkdtemp(join(tmpdir(), 'rmq-bench-'));
const server = await startProcess(['--data', folder]);
const { pid, broker, grpc } = server.ready;
const at = String(broker).lastIndexOf(':');
const [host, port] = [String(broker).slice(0, at), Number(String(broker).slice(at + 1))];
const sequence = { next: 1 };

async function report(what: string): Promise<number> {
  await sleep(1000);
  const memoryKiB = residentKiB(pid);
  const sorted = await sendLatencies(String(grpc), sequence);
  const at = (share: number): string =>
    (sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN).toFixed(2);
  console.log(
    `${what.padEnd(40)}${(memoryKiB / 1024).toFixed(0).padStart(5)} MiB   send p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms (${sorted.length})`,
  );
  return memoryKiB;
}

try {
  await createTopic(String(broker), topic);
  await sendLatencies(String(grpc), sequence); // the compiler's turn
  const before = await report('nobody else');
  const remotingCount = Number(flags.remoting);
  const sockets = await openAll(remotingCount, (index) => remotingClient(host, port, index));
  const withRemoting = await report(`${remotingCount} idle Remoting clients`);
  const grpcCount = Number(flags.grpc);
  const probes = await openAll(grpcCount, async (index) => {
    const probe = new GrpcProbe(String(grpc));
    await probe.settle(topic, `idle-grpc-${index % 100}`);
    return probe;
  });
  const withGrpc = await report(`and ${grpcCount} idle gRPC clients`);
  for (const socket of sockets) socket.destroy();
  for (const probe of probes) probe.close();
  await report('all gone');
  const each = (kib: number, count: number): string => (kib / Math.max(1, count)).toFixed(1);
  console.log(
    `memory each: Remoting ${each(withRemoting - before, remotingCount)} KiB, gRPC ${each(withGrpc - withRemoting, grpcCount)} KiB`,
  );
} finally {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}
