/** A benchmark from its first topic to its last: what it made on the cluster goes again, however it ends. */
import type { AdminClient } from '../../client/admin-client.ts';
import { parseHostPort } from '../../platform/host-port.ts';
import type { HostPort } from '../../platform/network.ts';
import { RmqError } from '../../protocol/errors.ts';
import { defaultGroupConfig } from '../../protocol/remoting/bodies/group-config.ts';
import { connectAdmin } from '../shared/connect.ts';
import type { Context } from '../shared/context.ts';
import { makeTopic } from '../shared/topics.ts';
import { type Driver, type DriverPlan, stampSizeBytes } from './driver.ts';
import type { BenchOptions } from './flags.ts';
import { GrpcDriver } from './grpc-driver.ts';
import type { Load } from './load.ts';
import { RemotingDriver } from './remoting-driver.ts';

const grpcPortDefault = 8081;
const progressMs = 500;
const fillCount = 32;
const delaySlackMs = 500;

/** `filler`: consumes what it has sent before, so that `batch` means receives alone. */
export type Role = 'producer' | 'filler' | 'both';

/** Opens what `options` ask for, hands it to `run`, and cleans up. @throws RmqError USAGE, CANNOT_CONNECT … */
export async function withDriver<T>(
  context: Context,
  options: BenchOptions,
  role: Role,
  run: (driver: Driver) => Promise<T>,
): Promise<T> {
  check(options, role);
  const admin = await context.connect();
  const made: (() => Promise<void>)[] = [];
  try {
    const plan = await prepare(context, admin, options, { role, made });
    const driver =
      options.protocol === 'grpc'
        ? await GrpcDriver.open(plan, await proxyOf(context, admin, options), role === 'producer')
        : await RemotingDriver.open(plan);
    try {
      return await run(driver);
    } finally {
      await driver.close();
    }
  } finally {
    // Messages that are still to come would find no topic.
    if (options.type === 'DELAY') await pause(context, options.delay + delaySlackMs);
    for (const undo of made.reverse()) {
      await undo().catch((error: unknown) =>
        context.stderr.write(
          `not cleaned up: ${error instanceof Error ? error.message : String(error)}\n`,
        ),
      );
    }
  }
}

function pause({ clock }: Context, durationMs: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(durationMs, resolve));
}

function check({ protocol, type, topic, topics, batch }: BenchOptions, role: Role): void {
  if (topic !== undefined && topics > 1) {
    throw new RmqError('USAGE', '--topic and --topics exclude each other');
  }
  if (protocol === 'remoting' && type === 'TRANSACTION') {
    throw new RmqError('USAGE', 'transactions are sent over gRPC alone', {
      hint: '--protocol grpc',
    });
  }
  if (role !== 'filler' && batch > 1 && type !== 'NORMAL') {
    throw new RmqError('USAGE', `a batch holds NORMAL messages only, not ${type}`);
  }
}

async function prepare(
  context: Context,
  admin: AdminClient,
  options: BenchOptions,
  { role, made }: { readonly role: Role; readonly made: (() => Promise<void>)[] },
): Promise<DriverPlan> {
  const sendCount = role === 'filler' ? fillCountOf(options) : options.batch;
  const name = `rmq-bench-${context.clock.nowMs().toString(36)}-${context.host.pid}`;
  const names = Array.from({ length: options.topics }, (_, index) => `${name}-${index}`);
  const topics = options.topic === undefined ? names : [options.topic];
  if (options.topic === undefined) {
    for (const topic of topics) {
      made.push(() => admin.deleteTopic(topic));
      await makeTopic(context, admin, {
        topic,
        messageType: options.type,
        queueCount: options.queues,
      });
    }
  }
  if (options.protocol === 'grpc') {
    made.push(() => admin.deleteGroup(name));
    await admin.putGroup(defaultGroupConfig(name));
  }
  const { timeoutMs, clock } = context;
  return {
    topics,
    group: name,
    messageType: options.type,
    bodySizeBytes: options.size,
    sendCount,
    receiveCount: options.batch,
    delayMs: options.delay,
    connectionCount: Math.min(options.connections, options.workers),
    timeoutMs,
    clock,
    connect: () => connectAdmin({ namesrv: context.namesrv.addresses, timeoutMs }),
  };
}

async function proxyOf(
  context: Context,
  admin: AdminClient,
  { proxy }: BenchOptions,
): Promise<HostPort> {
  if (proxy !== undefined) return addressOf(proxy);
  const members = await admin.members();
  const known = members.find(({ role }) => role === 'proxy');
  if (known !== undefined) return addressOf(known.address);
  // Apache's proxies report to nobody.
  return { host: context.namesrv.addresses[0]?.host ?? '127.0.0.1', port: grpcPortDefault };
}

function addressOf(text: string): HostPort {
  const address = parseHostPort(text);
  if (address === undefined) throw new RmqError('USAGE', `--proxy: "${text}" is not HOST:PORT`);
  return address;
}

/** Messages of one send, for topics that are filled before. */
export function fillCountOf({ type }: BenchOptions): number {
  return type === 'NORMAL' ? fillCount : 1;
}

/** Runs a load; on a terminal a line tells how it goes. */
export async function runLoad(
  context: Context,
  load: Load,
  signal: AbortSignal = context.signal,
): Promise<void> {
  const { clock, stderr } = context;
  if (!stderr.isTerminal) return load.run(signal);
  let isRunning = true;
  const tell = (): void => {
    if (!isRunning) return;
    const { messageCount, seconds, latency, failedCount } = load;
    const rate = seconds > 0 ? Math.round(messageCount / seconds) : 0;
    const errors = failedCount > 0 ? `, ${failedCount} errors` : '';
    const p99 = latency.percentileMs(0.99).toFixed(1);
    const text = `${seconds.toFixed(1)} s: ${messageCount} messages, ${rate}/s, p99 ${p99} ms${errors}`;
    void stderr.write(`\r\u001b[K${text.slice(0, stderr.columns - 1)}`);
    clock.setTimer(progressMs, tell);
  };
  clock.setTimer(progressMs, tell);
  await load.run(signal);
  isRunning = false;
  await stderr.write('\r\u001b[K');
}

/** @throws RmqError USAGE when a body is too small to say when it was sent. */
export function requireStamp(size: number): void {
  if (size >= stampSizeBytes) return;
  throw new RmqError(
    'USAGE',
    `--size: at least ${stampSizeBytes} bytes say when a message was sent`,
  );
}
