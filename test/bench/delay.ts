/**
 * Delayed messages on a real server that is killed half-way:
 *
 *   node test/bench/delay.ts [--messages 200000] [--seconds 600] [--recalls 2000] [--no-kill]
 *
 * Sends all messages with random delivery times, recalls some, ends the server with `kill -9` in the
 * middle, starts it again, and reads everything that arrives. Prints lateness as a consumer sees it, and exits
 * with 1 when a message was early, lost, doubled, or came although it had been recalled.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { RemotingClient } from '../../src/client/remoting-client.ts';
import { nodeClock } from '../../src/platform/node-clock.ts';
import { nodeNetwork } from '../../src/platform/node-network.ts';
import { RmqError } from '../../src/protocol/errors.ts';
import type { MessageDraft, QueueOffset } from '../../src/protocol/message/message.ts';
import { encodeProperties } from '../../src/protocol/message/properties.ts';
import type { PullResult, SendResult } from '../../src/server/broker/api.ts';
import { topicOf } from '../../src/server/broker/topics/topic-table.ts';
import { RemoteBroker } from '../../src/server/proxy/remote-broker.ts';
import { plainDraft } from '../support/plain-draft.ts';
import { type ServerProcess, startProcess } from '../support/processes.ts';

const { values: flags } = parseArgs({
  options: {
    messages: { type: 'string', default: '200000' },
    seconds: { type: 'string', default: '600' },
    recalls: { type: 'string', default: '2000' },
    'no-kill': { type: 'boolean', default: false },
  },
});
const messageCount = Number(flags.messages);
const spreadMs = Number(flags.seconds) * 1_000;
const recallCount = Number(flags.recalls);
const topic = 'delay-bench';
const queueCount = 8;
const inFlightCount = 64;
/** Sending everything takes part of this; the first message is due at its end. */
const leadMs = Math.max(5_000, messageCount / 5);
const out = (text: string): void => void process.stdout.write(`${text}\n`);

interface Server {
  readonly process: ServerProcess;
  readonly broker: RemoteBroker;
  readonly client: RemotingClient;
}

async function start(dataDir: string): Promise<Server> {
  const server = await startProcess(['--data', dataDir], { deadlineMs: 60_000 });
  const client = new RemotingClient({ network: nodeNetwork, clock: nodeClock });
  const address = String(server.ready.broker);
  const where = { clusterName: 'DefaultCluster', brokerName: 'broker-a' };
  return { process: server, client, broker: new RemoteBroker({ ...where, address, client }) };
}

function draftOf(index: number, dueMs: number): MessageDraft {
  return plainDraft({
    topic,
    queueId: index % queueCount,
    bornTimestampMs: Date.now(),
    body: Buffer.from(`${index} ${'x'.repeat(200)}`),
    properties: encodeProperties({ TIMER_DELIVER_MS: String(dueMs), UNIQ_KEY: `bench-${index}` }),
  });
}

function send(broker: RemoteBroker, draft: MessageDraft): Promise<SendResult> {
  const request = { drafts: [draft], producerGroup: 'bench', createFrom: undefined };
  return new Promise((resolve, reject) => {
    broker.send(request, (results) => {
      if (results instanceof RmqError) reject(results);
      else resolve(results[0] as SendResult); // one a draft
    });
  });
}

async function sendAll(broker: RemoteBroker, due: readonly number[]): Promise<SendResult[]> {
  const results: SendResult[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < due.length; index = next++) {
      results[index] = await send(broker, draftOf(index, due[index] as number)); // in range
    }
  };
  await Promise.all(Array.from({ length: inFlightCount }, worker));
  return results;
}

function recall(broker: RemoteBroker, recallHandle: string): Promise<void> {
  return new Promise((resolve, reject) => {
    broker.recall({ topic, recallHandle, producerGroup: 'bench' }, (id) => {
      if (id instanceof RmqError) reject(id);
      else resolve();
    });
  });
}

/** Reads all queues by offset, over restarts of the server, until told to stop. */
class Reader {
  readonly arrivedMs: (number | undefined)[] = [];
  doubledCount = 0;
  count = 0;
  broker: RemoteBroker | undefined = undefined;
  #isStopped = false;

  start(): Promise<unknown> {
    return Promise.all(Array.from({ length: queueCount }, (_, queueId) => this.#read(queueId)));
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #read(queueId: number): Promise<void> {
    let offset = 0;
    while (!this.#isStopped) {
      const { broker } = this;
      const result = broker === undefined ? undefined : await this.#pull(broker, queueId, offset);
      if (result === undefined) {
        await sleep(5);
        continue;
      }
      const nowMs = Date.now();
      for (const message of result.messages) {
        const index = Number.parseInt(Buffer.from(message.body).toString('latin1', 0, 12), 10);
        if (this.arrivedMs[index] !== undefined) this.doubledCount++;
        this.arrivedMs[index] = nowMs;
        this.count++;
        offset = message.queueOffset + 1;
      }
    }
  }

  /** Undefined: the server is away. */
  #pull(broker: RemoteBroker, queueId: number, from: number): Promise<PullResult | undefined> {
    const offset = from as QueueOffset; // of that queue
    const filter = { type: 'TAG', expression: '*' } as const;
    const place = { group: 'bench', topic, queueId, offset };
    const limits = { maxCount: 32, maxSizeBytes: 1 << 20, pollingTimeMs: 2_000 };
    return new Promise((resolve) => {
      broker.pull({ ...place, ...limits, filter }, (result) => {
        resolve(result instanceof RmqError ? undefined : result);
      });
    });
  }
}

interface Outage {
  readonly beginMs: number;
  readonly endMs: number;
}

function report(
  due: readonly number[],
  recalled: ReadonlySet<number>,
  reader: Reader,
  outage: Outage,
): boolean {
  const usual: number[] = [];
  const afterOutage: number[] = [];
  let early = 0;
  let lost = 0;
  let revenants = 0;
  for (const [index, dueMs] of due.entries()) {
    const arrivedMs = reader.arrivedMs[index];
    if (recalled.has(index)) {
      if (arrivedMs !== undefined) revenants++;
      continue;
    }
    if (arrivedMs === undefined) {
      lost++;
      continue;
    }
    if (arrivedMs < dueMs) early++;
    const isHit = dueMs >= outage.beginMs && dueMs < outage.endMs;
    if (isHit) afterOutage.push(arrivedMs - outage.endMs);
    else usual.push(arrivedMs - dueMs);
  }
  const { doubledCount } = reader;
  out(`lateness of ${usual.length} messages: ${spread(usual)}`);
  out(
    `server away for ${outage.endMs - outage.beginMs} ms; ${afterOutage.length} due meanwhile, after it was ready: ${spread(afterOutage)}`,
  );
  out(`early ${early}, lost ${lost}, doubled ${doubledCount}, recalled and yet here ${revenants}`);
  return early + lost + doubledCount + revenants === 0;
}

function spread(values: number[]): string {
  values.sort((a, b) => a - b);
  const at = (share: number): number => values[Math.ceil(values.length * share) - 1] ?? 0;
  return `median ${at(0.5)} ms, p99 ${at(0.99)} ms, p99.9 ${at(0.999)} ms, worst ${at(1)} ms`;
}

async function main(): Promise<boolean> {
  const dataDir = await mkdtemp(join(tmpdir(), 'rmq-delay-'));
  let server = await start(dataDir);
  const reader = new Reader();
  try {
    await server.broker.putTopic(topicOf(topic, queueCount, 6, { 'message.type': 'DELAY' }));
    reader.broker = server.broker;
    const reading = reader.start();
    const startMs = Date.now();
    const due = Array.from({ length: messageCount }, () =>
      Math.floor(startMs + leadMs + Math.random() * spreadMs),
    );
    const sent = await sendAll(server.broker, due);
    out(`${messageCount} sent in ${Date.now() - startMs} ms, due from ${leadMs} ms on`);
    const recalled = new Set<number>();
    for (let index = 0; index < recallCount; index++) {
      const which = Math.floor((index * messageCount) / recallCount);
      await recall(server.broker, String(sent[which]?.recallHandle));
      recalled.add(which);
    }
    out(`${recallCount} recalled`);
    let outage: Outage = { beginMs: 0, endMs: 0 };
    if (!flags['no-kill']) {
      await sleep(Math.max(0, startMs + leadMs + spreadMs / 2 - Date.now()));
      const beginMs = Date.now();
      reader.broker = undefined;
      const ended = once(server.process.child, 'exit');
      server.process.child.kill('SIGKILL');
      await ended;
      await server.client.close();
      server = await start(dataDir);
      reader.broker = server.broker;
      outage = { beginMs, endMs: Date.now() };
      out(`killed and ready again, ${reader.count} had come`);
    }
    const lastMs = startMs + leadMs + spreadMs;
    await sleep(Math.max(0, lastMs - Date.now()) + 3_000);
    // A server that is behind its time: as long as something comes.
    for (let before = -1; before !== reader.count; ) {
      before = reader.count;
      if (before < messageCount - recallCount) await sleep(5_000);
    }
    reader.stop();
    await reading;
    return report(due, recalled, reader, outage);
  } finally {
    reader.stop();
    await server.client.close();
    await server.process.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

process.exitCode = (await main()) ? 0 : 1;
