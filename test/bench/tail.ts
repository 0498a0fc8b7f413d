/**
 * `rmq tail` on a terminal under load: a server, a producer at a steady rate and the viewer in tmux, each a
 * process of its own. Looks at the screen all the time: how long ago the first message that is not in sight yet was
 * acknowledged, once the screen has been read (so the time that tmux takes counts, too). While producer or server
 * stand still, nothing is late. CPU and memory of the viewer from /proc.
 *
 *   node test/bench/tail.ts [--rate 5000] [--seconds 60] [--columns 120] [--rows 40] [--size 200] [--json]
 *
 * Linux, tmux.
 */
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { connectAdmin } from '../../src/commands/shared/connect.ts';
import { parseHostPort } from '../../src/platform/host-port.ts';
import { createTopic } from '../support/create-topic.ts';
import { startProcess } from '../support/processes.ts';
import { rmqExecutable, Terminal } from '../support/tmux.ts';

const { values: flags } = parseArgs({
  options: {
    rate: { type: 'string', default: '5000' },
    seconds: { type: 'string', default: '60' },
    columns: { type: 'string', default: '120' },
    rows: { type: 'string', default: '40' },
    size: { type: 'string', default: '200' },
    json: { type: 'boolean', default: false },
    produce: { type: 'string' },
  },
});

const topic = 'busy';
const lookMs = 50;
const latenessMaxMs = 200;
const ticksPerSecond = 100; // USER_HZ on every Linux that Node runs on

if (flags.produce === undefined) await main();
else await produce(flags.produce, Number(flags.rate), Number(flags.size));

/** Sends until its parent ends it; what a pause cost is made up for. */
async function produce(namesrv: string, rate: number, size: number): Promise<void> {
  const address = parseHostPort(namesrv);
  if (address === undefined) throw new Error(`no address: ${namesrv}`);
  const { admin } = connectAdmin({ namesrv: [address], timeoutMs: 5_000 });
  const queues = await admin.queues(topic);
  const route = await admin.nameserver.route(topic);
  admin.nameserver.route = () => Promise.resolve(route);
  process.send?.({ ready: queues.length });
  process.on('disconnect', () => process.exit());
  const start = performance.now();
  let sent = 0;
  let open = 0;
  let failed = 0;
  let kept = -1;
  for (;;) {
    const due = Math.floor(((performance.now() - start) / 1_000) * rate);
    for (; sent < due && open < 4_000; sent++) {
      open++;
      const n = sent;
      const text = `{"n":${n},"state":"new","note":"${'x'.repeat(size)}`;
      const properties = new Map([
        ['TAGS', sent % 3 === 0 ? 'paid' : 'new'],
        ['KEYS', `order-${sent}`],
      ]);
      admin
        .send({
          topic,
          body: Buffer.from(`${text.slice(0, size - 2)}"}`),
          properties,
          bornTimestampMs: Date.now(),
        })
        .then(
          () => {
            kept = Math.max(kept, n);
          },
          () => failed++,
        )
        .finally(() => open--);
    }
    process.send?.({ sent, failed, kept, atMs: Date.now() });
    await sleep(10);
  }
}

interface Usage {
  readonly cpuMs: number;
  readonly residentMiB: number;
}

function usageOf(pid: number): Usage {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return {
    cpuMs: ((Number(fields[11]) + Number(fields[12])) * 1_000) / ticksPerSecond,
    residentMiB: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024,
  };
}

/** The newest message in sight, from its `12:34:56.789` and its key; undefined when there is none. */
function newestShown(
  rows: readonly string[],
): { readonly n: number; readonly storedMs: number } | undefined {
  let newest = { n: -1, storedMs: 0 };
  for (const line of rows) {
    const found = /^. (\d\d):(\d\d):(\d\d)\.(\d\d\d) .* order-(\d+) /.exec(line);
    if (found === null) continue;
    const [hours = 0, minutes, seconds, ms, n = 0] = found.slice(1).map(Number);
    if (n > newest.n) newest = { n, storedMs: new Date().setHours(hours, minutes, seconds, ms) };
  }
  return newest.n < 0 ? undefined : newest;
}

async function main(): Promise<void> {
  const server = await startProcess(['--memory']);
  const namesrv = String(server.ready.namesrv);
  await createTopic(String(server.ready.broker), topic);
  const producer = fork(
    fileURLToPath(import.meta.url),
    ['--produce', namesrv, '--rate', flags.rate, '--size', flags.size],
    { stdio: 'inherit' },
  );
  let sent = 0;
  let failed = 0;
  const kept: Kept[] = [];
  producer.on('message', (told: { sent?: number; failed?: number } & Partial<Kept>) => {
    sent = told.sent ?? sent;
    failed = told.failed ?? failed;
    if (
      told.kept !== undefined &&
      told.atMs !== undefined &&
      told.kept > (kept.at(-1)?.kept ?? -1)
    ) {
      kept.push({ kept: told.kept, atMs: told.atMs });
    }
  });
  const terminal = await Terminal.start([process.execPath, rmqExecutable, 'tail', topic], {
    columns: Number(flags.columns),
    rows: Number(flags.rows),
    env: { RMQ_NAMESRV: namesrv },
  });
  try {
    await terminal.until((_screen, rows) => newestShown(rows) !== undefined, 20_000);
    const shell = await terminal.pid();
    const children = readFileSync(`/proc/${shell}/task/${shell}/children`, 'utf8');
    const viewer = Number(children.trim().split(' ')[0]);
    await sleep(3_000); // What is compiled at first is compiled.
    report(await watch(terminal, viewer, { sent: () => sent, kept }), failed);
  } finally {
    producer.disconnect();
    await terminal.close();
    await server.stop();
  }
}

interface Watched {
  readonly seconds: number;
  readonly rate: number;
  readonly latenessMs: readonly number[];
  /** How old what was in sight got, whoever stood still. */
  readonly oldestMs: number;
  /** Seconds in which something was late, with what was sent in them. */
  readonly lateSeconds: readonly string[];
  readonly cpuCores: number;
  /** At begin, after each tenth. */
  readonly residentMiB: readonly number[];
  readonly lastRows: readonly string[];
}

/** The newest message that was acknowledged at a time, Unix ms; within the 10 ms in which the producer tells. */
interface Kept {
  readonly kept: number;
  readonly atMs: number;
}

interface Progress {
  sent(): number;
  /** The oldest first; what has been in sight is taken out. */
  readonly kept: Kept[];
}

async function watch(terminal: Terminal, pid: number, progress: Progress): Promise<Watched> {
  const seconds = Number(flags.seconds);
  const start = performance.now();
  const first = usageOf(pid);
  const sentBefore = progress.sent();
  const latenessMs: number[] = [];
  const residentMiB = [first.residentMiB];
  const lateSeconds: string[] = [];
  let oldestMs = 0;
  let lastRows: readonly string[] = [];
  let second = { at: 0, worstMs: 0, sentBefore };
  for (;;) {
    const passed = (performance.now() - start) / 1_000;
    if (passed > seconds) break;
    const beganMs = Date.now();
    lastRows = await terminal.rows();
    const newest = newestShown(lastRows);
    if (newest !== undefined) {
      while ((progress.kept[0]?.kept ?? Number.POSITIVE_INFINITY) <= newest.n)
        progress.kept.shift();
      const late = Math.max(0, Date.now() - (progress.kept[0]?.atMs ?? Date.now()));
      latenessMs.push(late);
      second.worstMs = Math.max(second.worstMs, late);
      oldestMs = Math.max(oldestMs, Date.now() - newest.storedMs);
    }
    if (passed > second.at + 1) {
      const sent = progress.sent() - second.sentBefore;
      const lookedMs = Date.now() - beganMs;
      if (second.worstMs > latenessMaxMs) {
        lateSeconds.push(`${second.at}s: ${second.worstMs} ms, ${sent} sent, look ${lookedMs} ms`);
      }
      second = { at: Math.floor(passed), worstMs: 0, sentBefore: progress.sent() };
    }
    if (passed > (residentMiB.length * seconds) / 10) residentMiB.push(usageOf(pid).residentMiB);
    await sleep(lookMs);
  }
  const last = usageOf(pid);
  const tookMs = performance.now() - start;
  return {
    seconds,
    rate: ((progress.sent() - sentBefore) * 1_000) / tookMs,
    latenessMs: latenessMs.sort((a, b) => a - b),
    oldestMs,
    lateSeconds,
    cpuCores: (last.cpuMs - first.cpuMs) / tookMs,
    residentMiB: [...residentMiB, last.residentMiB],
    lastRows,
  };
}

function report(watched: Watched, failed: number): void {
  const { latenessMs, residentMiB } = watched;
  const at = (share: number): number =>
    latenessMs[Math.min(latenessMs.length - 1, Math.floor(latenessMs.length * share))] ??
    Number.NaN;
  const result = {
    rate: Math.round(watched.rate),
    seconds: watched.seconds,
    looks: latenessMs.length,
    latenessMedianMs: at(0.5),
    latenessP99Ms: at(0.99),
    latenessWorstMs: at(1),
    oldestMs: watched.oldestMs,
    cpuCores: Number(watched.cpuCores.toFixed(2)),
    residentMiB: residentMiB.map(Math.round),
    failedSends: failed,
    lateSeconds: watched.lateSeconds,
  };
  if (flags.json) console.log(JSON.stringify(result));
  else {
    console.log(watched.lastRows.slice(-2).join('\n'));
    console.log(`messages a second         ${result.rate}, ${failed} failed`);
    console.log(
      `shown late by             ${result.latenessMedianMs} ms median, ${result.latenessP99Ms} p99, ${result.latenessWorstMs} worst of ${result.looks} looks (wanted: 200)`,
    );
    console.log(
      `oldest that was newest    ${result.oldestMs} ms, pauses of producer and server with it`,
    );
    for (const line of watched.lateSeconds) console.log(`  late                    ${line}`);
    console.log(`CPU of the viewer         ${result.cpuCores} cores (wanted: 0.5)`);
    console.log(`its memory, MiB           ${result.residentMiB.join(' ')} (wanted: flat)`);
  }
}
