/**
 * `npm run fuzz:grpc -- [--seconds 60] [--seed N] [--transport own|grpc-js]`: hostile requests, broken
 * protobuf and broken HTTP/2 against the gRPC port of a real server, beside a neighbour that behaves. Nothing
 * may crash, answer INTERNAL_SERVER_ERROR or UNKNOWN, keep memory, or slow the neighbour. Exit code 1 when
 * something did.
 */
import { readFileSync } from 'node:fs';
import { Duplex } from 'node:stream';
import { parseArgs } from 'node:util';
import {
  Client,
  credentials,
  status as grpcStatus,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { RemotingClient } from '../../src/client/remoting-client.ts';
import { nodeClock } from '../../src/platform/node-clock.ts';
import { nodeNetwork } from '../../src/platform/node-network.ts';
import {
  Code,
  decodeHeartbeatResponse,
  decodeSendMessageResponse,
  encodeSendMessageRequest,
} from '../../src/protocol/grpc/generated/messages.ts';
import { topicOf } from '../../src/server/broker/topics/topic-table.ts';
import { RemoteBroker } from '../../src/server/proxy/remote-broker.ts';
import { SimRandom } from '../sim/random.ts';
import { startProcess } from '../support/processes.ts';
import { type FuzzRequest, randomRequest } from './grpc-requests.ts';
import { attack, attackNames } from './raw-http2.ts';
import { mutated, text } from './values.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    transport: { type: 'string' },
    workers: { type: 'string', default: '16' },
  },
});
const out = (line: string): void => void process.stdout.write(`${line}\n`);
const same = (bytes: Buffer): Buffer => bytes;
/** What a client gets that breaks the protocol, not the request. */
const allowedStatuses: ReadonlySet<number> = new Set([
  grpcStatus.OK,
  grpcStatus.INVALID_ARGUMENT,
  grpcStatus.DEADLINE_EXCEEDED,
  grpcStatus.CANCELLED,
  grpcStatus.UNIMPLEMENTED,
  grpcStatus.RESOURCE_EXHAUSTED,
]);
/** Memory that may stay behind: caches that are bounded, and what the collector has not given back. */
const keptMaxBytes = 96 << 20;

const problems: string[] = [];
const counts = { requests: 0, mutated: 0, attacks: 0, refused: 0 };

function problem(what: string): void {
  if (problems.length < 50) problems.push(what);
}

/** Statuses inside responses are in field 1 of all but the stream of commands. */
function checkAnswer(request: FuzzRequest, answer: Buffer, isMutated: boolean): void {
  if (request.shape === 'duplex') return;
  const code = decodeHeartbeatResponse(answer).status?.code ?? 0;
  if (code !== Code.OK) counts.refused += 1;
  if (code < Code.INTERNAL_ERROR || code === Code.NOT_IMPLEMENTED) return;
  const why = decodeHeartbeatResponse(answer).status?.message ?? '';
  // Said by Apache's proxy, too: there is no such transaction, broker or acknowledgement.
  if (/transaction|broker|ack message result is empty|retryable/.test(why)) return;
  if (isMutated && /protobuf|wire|cut short|decode/.test(why)) return;
  problem(
    `${request.method} answered ${code}: ${why} to ${request.message.toString('base64').slice(0, 300)}`,
  );
}

function checkStatus(request: FuzzRequest, error: ServiceError | null): void {
  if (error === null || allowedStatuses.has(error.code)) return;
  problem(`${request.method} ended with gRPC status ${error.code}: ${error.details}`);
}

function call(
  client: Client,
  request: FuzzRequest,
  message: Buffer,
  headers: Metadata,
): Promise<void> {
  const isMutated = message !== request.message;
  const path = `/apache.rocketmq.v2.${request.service}/${request.method}`;
  const deadline = { deadline: Date.now() + 1_000 };
  return new Promise((resolve) => {
    if (request.shape === 'unary') {
      client.makeUnaryRequest(path, same, same, message, headers, deadline, (error, answer) => {
        checkStatus(request, error);
        if (answer !== undefined) checkAnswer(request, answer, isMutated);
        resolve();
      });
      return;
    }
    const stream =
      request.shape === 'server-stream'
        ? client.makeServerStreamRequest(path, same, same, message, headers, deadline)
        : client.makeBidiStreamRequest(path, same, same, headers, deadline);
    stream.on('data', (answer: Buffer) => {
      if (request.shape === 'server-stream' && answer[0] === 10) {
        checkAnswer(request, answer, isMutated);
      }
    });
    stream.on('error', (error: ServiceError) => {
      checkStatus(request, error);
      resolve();
    });
    stream.on('end', () => resolve());
    if (stream instanceof Duplex) stream.end(message);
  });
}

async function fuzz(client: Client, random: SimRandom, endMs: number): Promise<void> {
  while (performance.now() < endMs && problems.length < 20) {
    const request = randomRequest(random);
    const isMutated = random.chance(0.3);
    const message = isMutated ? mutated(random, request.message) : request.message;
    const headers = new Metadata();
    if (random.chance(0.95)) headers.set('x-mq-client-id', `fuzz-${random.below(200)}`);
    if (random.chance(0.1))
      headers.set(
        'x-mq-client-version',
        text(random)
          .replace(/[^ -~]/g, '?')
          .slice(0, 2_000),
      );
    counts.requests += 1;
    if (isMutated) counts.mutated += 1;
    await call(client, request, message, headers);
  }
}

async function attackAgain(
  target: { host: string; port: number },
  random: SimRandom,
  endMs: number,
): Promise<void> {
  while (performance.now() < endMs) {
    counts.attacks += 1;
    await attack(target, random.pick(attackNames), random);
  }
}

/** Sends one message at a time and notes how long each took, ms. */
async function neighbour(client: Client, isOver: () => boolean): Promise<number[]> {
  const tookMs: number[] = [];
  const headers = new Metadata();
  headers.set('x-mq-client-id', 'neighbour');
  for (let number = 0; !isOver(); number += 1) {
    const bytes = encodeSendMessageRequest({
      messages: [
        {
          topic: { name: 'neighbour' },
          body: Buffer.from('hello'),
          systemProperties: { messageId: `n-${number}`, messageType: 1 },
        },
      ],
    });
    const beganMs = performance.now();
    const error = await new Promise<string | undefined>((resolve) => {
      client.makeUnaryRequest(
        '/apache.rocketmq.v2.MessagingService/SendMessage',
        same,
        decodeSendMessageResponse,
        bytes,
        headers,
        { deadline: Date.now() + 5_000 },
        (failure, answer) => {
          if (failure !== null) resolve(failure.message);
          else resolve(answer?.status?.code === Code.OK ? undefined : answer?.status?.message);
        },
      );
    });
    if (error !== undefined) problem(`the neighbour's send failed: ${error}`);
    tookMs.push(performance.now() - beganMs);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return tookMs.sort((a, b) => a - b);
}

async function makeTopics(address: string): Promise<void> {
  const client = new RemotingClient({ network: nodeNetwork, clock: nodeClock });
  const broker = new RemoteBroker({
    clusterName: 'DefaultCluster',
    brokerName: 'broker-a',
    address,
    client,
  });
  for (const topic of ['neighbour', 'orders', 'fuzz-topic']) {
    const type = topic === 'fuzz-topic' ? 'MIXED' : 'NORMAL';
    await broker.putTopic(topicOf(topic, 2, 6, { 'message.type': type }));
  }
  await client.close();
}

function residentBytes(pid: number): number {
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}

const percentile = (sorted: readonly number[], part: number): string =>
  (sorted[Math.floor(sorted.length * part)] ?? 0).toFixed(1);
const mib = (bytes: number): string => `${(bytes / (1 << 20)).toFixed(0)} MiB`;

async function main(): Promise<void> {
  const seconds = Number(values.seconds);
  const transport = values.transport === undefined ? [] : ['--grpc-transport', values.transport];
  const server = await startProcess(['--memory', '--retention', '30s', ...transport]);
  const address = String(server.ready.grpc);
  const [host = '', port = ''] = address.split(':');
  const target = { host, port: Number(port) };
  const random = new SimRandom(values.seed);
  const newClient = (): Client =>
    new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  const clients = [newClient(), newClient(), newClient()];
  try {
    await makeTopics(String(server.ready.broker));
    out(`seed ${values.seed}, ${seconds} s, ${address}`);
    // A first part shows what the server needs for such work at all.
    await run(1 / 4);
    const beforeBytes = await settled();
    const beganMs = performance.now();
    await run(3 / 4);
    const afterBytes = await settled();
    const rate = counts.requests / ((performance.now() - beganMs) / 1_000);
    out(
      `${counts.requests} requests (${counts.mutated} broken, ${counts.refused} refused, ${rate.toFixed(0)}/s), ` +
        `${counts.attacks} broken connections; memory ${mib(beforeBytes)} before, ${mib(afterBytes)} after`,
    );
    if (afterBytes - beforeBytes > keptMaxBytes)
      problem(`${mib(afterBytes - beforeBytes)} were kept`);
    if (server.child.exitCode !== null) problem(`the server ended: ${server.log()}`);
  } finally {
    for (const client of clients) client.close();
    await server.stop();
  }
  for (const line of problems) out(`PROBLEM ${line}`);
  out(
    problems.length === 0 ? 'nothing broke' : `${problems.length} problems; --seed ${values.seed}`,
  );
  process.exitCode = problems.length === 0 ? 0 : 1;

  async function run(part: number): Promise<void> {
    const endMs = performance.now() + seconds * part * 1_000;
    const isOver = (): boolean => performance.now() >= endMs || server.child.exitCode !== null;
    const work = [attackAgain(target, random.fork('attack'), endMs)];
    for (let index = 0; index < Number(values.workers); index += 1) {
      work.push(fuzz(clients[1 + (index % 2)] as Client, random.fork('fuzz'), endMs));
    }
    const tookMs = await neighbour(clients[0] as Client, isOver);
    await Promise.all(work);
    const [median, p99] = [percentile(tookMs, 0.5), percentile(tookMs, 0.99)];
    out(
      `neighbour: ${tookMs.length} sends, median ${median} ms, p99 ${p99} ms, worst ${percentile(tookMs, 0.9999)} ms`,
    );
    if (Number(percentile(tookMs, 0.99)) > 1_000) problem(`the neighbour waited ${p99} ms`);
  }

  /** Once streams have ended and what was collected is given back: the least that is seen in 30 s. */
  async function settled(): Promise<number> {
    let leastBytes = Number.POSITIVE_INFINITY;
    for (let seconds = 0; seconds < 30; seconds += 3) {
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      leastBytes = Math.min(leastBytes, residentBytes(server.ready.pid));
    }
    return leastBytes;
  }
}

await main();
