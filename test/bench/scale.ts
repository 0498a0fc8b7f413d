/**
 * Whether a message costs the same however many topics, queues and messages there are:
 *
 *   node --expose-gc test/bench/scale.ts [--topics 10000] [--queues 10] [--messages 10000000] [--folder DIR]
 *
 * Fills one store on a real disk, messages of 128 bytes to queues in a random order, and prints at each tenth
 * what a message took since: CPU, time, memory, bytes on disk. Then opens the store again, reads from queues all
 * over it, and lets retention take half of it.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { NodeFiles } from '../../src/platform/node-files.ts';
import { nodeRandom } from '../../src/platform/node-random.ts';
import type { LogStore } from '../../src/server/store/log-store.ts';
import { appendAll, diskBytes, makeStore, typicalDraft } from './bench-store.ts';

const { values: flags } = parseArgs({
  options: {
    topics: { type: 'string', default: '10000' },
    queues: { type: 'string', default: '10' },
    messages: { type: 'string', default: '10000000' },
    steps: { type: 'string', default: '10' },
    folder: { type: 'string', default: tmpdir() },
  },
});
const topicCount = Number(flags.topics);
const queueCount = Number(flags.queues);
const messageCount = Number(flags.messages);
const stepCount = Number(flags.steps);
const body = Buffer.alloc(128, 'x');
const files = new NodeFiles();
const out = (text: string): void => void process.stdout.write(`${text}\n`);
const MiB = 1 << 20;

function memory(): string {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  const status = readFileSync('/proc/self/status', 'utf8');
  const [, kib] = /^RssAnon:\s+(\d+)/m.exec(status) ?? []; // without the mapped files of LevelDB
  return `heap ${(heapUsed / MiB).toFixed(0)} MiB, buffers ${(arrayBuffers / MiB).toFixed(0)}, resident ${(Number(kib) / 1024).toFixed(0)}`;
}

function cpuUs(since?: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return user + system;
}

async function fill(store: LogStore, folder: string): Promise<void> {
  const perStep = Math.floor(messageCount / stepCount);
  let number = 0;
  for (let step = 1; step <= stepCount; step++) {
    const cpu = process.cpuUsage();
    const beganMs = performance.now();
    await appendAll(store, perStep, () => {
      const topic = `scale-${nodeRandom.below(topicCount)}`;
      return typicalDraft(topic, nodeRandom.below(queueCount), number++, body);
    });
    await store.writeStateNow();
    const usedUs = cpuUs(cpu);
    const tookMs = performance.now() - beganMs;
    const log = (await diskBytes(files, join(folder, 'commitlog'))) / number;
    const index = (await diskBytes(files, join(folder, 'index'))) / number;
    out(
      `${number} messages: ${(usedUs / perStep).toFixed(1)} µs CPU, ${(perStep / tookMs).toFixed(1)} k/s; ` +
        `${memory()}; on disk ${log.toFixed(0)} B log + ${index.toFixed(0)} B index a message`,
    );
  }
}

async function readSome(store: LogStore, count: number): Promise<void> {
  const cpu = process.cpuUsage();
  const beganMs = performance.now();
  let readCount = 0;
  for (let index = 0; index < count; index++) {
    const queue = store.queue(
      `scale-${nodeRandom.below(topicCount)}`,
      nodeRandom.below(queueCount),
    );
    readCount += await new Promise<number>((resolve, reject) => {
      store.readEntries(queue, queue.minOffset, 32, (entries) => {
        if (entries instanceof Error) return reject(entries);
        store.readMessages(entries, (messages) => {
          if (messages instanceof Error) reject(messages);
          else resolve(messages.filter((one) => one !== undefined).length);
        });
      });
    });
  }
  const us = (cpuUs(cpu) / count).toFixed(0);
  const ms = ((performance.now() - beganMs) / count).toFixed(2);
  out(`${count} reads of queues anywhere: ${readCount} messages, ${us} µs CPU, ${ms} ms each`);
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(flags.folder, 'rmq-scale-'));
  try {
    out(`${topicCount} topics, ${topicCount * queueCount} queues, ${messageCount} messages`);
    const store = await makeStore(folder);
    await store.start();
    out(`empty: ${memory()}`);
    await fill(store, folder);
    await readSome(store, 1_000);
    let beganMs = performance.now();
    await store.stop();
    out(`stopped in ${(performance.now() - beganMs).toFixed(0)} ms`);
    const size = Math.floor(store.status().storeSizeBytes / 2);
    const again = await makeStore(folder, { retentionBytes: Math.max(size, 16 << 20) });
    beganMs = performance.now();
    const report = await again.start();
    out(`opened in ${(performance.now() - beganMs).toFixed(0)} ms, ${JSON.stringify(report)}`);
    out(memory());
    await readSome(again, 1_000);
    const cpu = process.cpuUsage();
    beganMs = performance.now();
    await again.deleteExpired();
    const tookMs = (performance.now() - beganMs).toFixed(0);
    const { minPhysicalOffset } = again.status();
    out(`deleted ${minPhysicalOffset} bytes in ${tookMs} ms, ${cpuUs(cpu) / 1000} ms CPU`);
    await again.stop();
  } finally {
    await rm(folder, { recursive: true });
  }
}

// The clock's timers keep no process alive.
const alive = setInterval(() => {}, 60_000);
try {
  await main();
} finally {
  clearInterval(alive);
}
