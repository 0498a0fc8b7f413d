/**
 * What a send waits for while segments are deleted, on a real disk with a synced log:
 *
 *   node test/bench/retention.ts [--segments 16] [--segment-mib 64] [--in-flight 8]
 *
 * Fills the log, measures sends of 1 KiB alone, then while all segments but the last go.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { MessageDraft } from '../../src/protocol/message/message.ts';
import type { LogStore } from '../../src/server/store/log-store.ts';
import { plainDraft } from '../support/plain-draft.ts';
import { makeStore } from './bench-store.ts';

const { values: flags } = parseArgs({
  options: {
    segments: { type: 'string', default: '16' },
    'segment-mib': { type: 'string', default: '64' },
    'in-flight': { type: 'string', default: '8' },
  },
});
const segmentSizeBytes = Number(flags['segment-mib']) << 20;
const inFlight = Number(flags['in-flight']);
const measureMs = 3_000;

function draftOf(sizeBytes: number): MessageDraft {
  return plainDraft({
    topic: 'bench',
    queueId: 0,
    body: Buffer.alloc(sizeBytes, 'x'),
    properties: Buffer.from('WAIT\u0001true\u0002'),
  });
}

function send(store: LogStore, draft: MessageDraft): Promise<void> {
  return new Promise((resolve, reject) => {
    store.append([draft], (result) => (result instanceof Error ? reject(result) : resolve()));
  });
}

/** Milliseconds of each send, some at a time, until `isOver`. */
async function sendUntil(store: LogStore, isOver: () => boolean): Promise<number[]> {
  const tookMs: number[] = [];
  const draft = draftOf(1_024);
  const work = async (): Promise<void> => {
    while (!isOver()) {
      const beganMs = performance.now();
      await send(store, draft);
      tookMs.push(performance.now() - beganMs);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, work));
  return tookMs.toSorted((a, b) => a - b);
}

function tell(name: string, sorted: readonly number[]): void {
  const at = (share: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(2);
  const figures = `p50 ${at(0.5)}  p99 ${at(0.99)}  p99.9 ${at(0.999)}  max ${at(1)} ms`;
  console.log(`${name.padEnd(28)}${String(sorted.length).padStart(8)} sends  ${figures}`);
}

const folder = await mkdtemp(join(tmpdir(), 'rmq-bench-'));
const store = await makeStore(folder, { flush: 'sync', segmentSizeBytes });
await store.start();
try {
  const large = draftOf(256 << 10);
  const wanted = Number(flags.segments) * segmentSizeBytes;
  while (store.status().maxPhysicalOffset < wanted) {
    await Promise.all(Array.from({ length: 16 }, () => send(store, large)));
  }
  const endMs = performance.now() + measureMs;
  tell('alone', await sendUntil(store, () => performance.now() > endMs));
  const before = store.status().storeSizeBytes;
  store.retentionMs = 0;
  let isDone = false;
  const beganMs = performance.now();
  const deleted = store.deleteExpired().then(() => (isDone = true));
  tell('while segments are deleted', await sendUntil(store, () => isDone));
  await deleted;
  const bytes = before - store.status().storeSizeBytes;
  const tookMs = (performance.now() - beganMs).toFixed(0);
  console.log(`${(bytes / 2 ** 20).toFixed(0)} MiB deleted in ${tookMs} ms`);
} finally {
  await store.stop();
  await rm(folder, { recursive: true, force: true });
}
