/**
 * Apache's broker on our exports, and ours on what it leaves: the recorded stores of `../shared/golden/store`, and
 * a store of ours with messages of every kind.
 *
 *   npm run interop:store -- [--stores "clean crashed torn rare own"] [--keep]
 *
 * Each store is exported, opened by Apache's broker (`../shared/reference/apache`), and read through Apache's own
 * client: every message in its place, byte for byte; what was delayed comes once, what had fired not again;
 * transactions that are open are checked, others are not. Then ours takes the store over again. Prints what is
 * wrong, at the end `N passed, N failed`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  contentOf,
  exportStore,
  importStore,
  rawMessagesOf,
  type StoreContent,
} from '../support/offline-store.ts';
import { apache, freePorts, haveApache } from './mixed-cluster.ts';
import {
  type ApacheReading,
  type Expected,
  expectedOfOwn,
  fillOwnStore,
  type ReadMessage,
} from './store-content.ts';

const golden = fileURLToPath(new URL('../../../shared/golden/store', import.meta.url));
/** Where the script keeps Apache's jars. */
const library = join(tmpdir(), 'apache-rocketmq-lib');
/** `rare` was written with these. */
const rareSettings = ['enableLmq=true', 'enableMultiDispatch=true', 'enabledAppendPropCRC=true'];
/** Messages that are due by then have come. */
const settleMs = 9_000;

const { values: flags } = parseArgs({
  options: {
    stores: { type: 'string', default: 'clean crashed torn rare own' },
    keep: { type: 'boolean', default: false },
  },
});

const problems: string[] = [];

function check(isTrue: boolean, problem: string): void {
  if (!isTrue) problems.push(problem);
}

async function run(command: string, args: readonly string[], env: object = {}): Promise<string> {
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  }
  // Not 'close': a server that it started holds the pipes.
  const [code] = (await once(child, 'exit')) as [number | null];
  child.stdout.destroy();
  child.stderr.destroy();
  if (code !== 0)
    throw new Error(`${command} ${args[0]} ended with ${code}:\n${text.slice(-2_000)}`);
  return text;
}

/** Opens the store with Apache's broker, lists what is in it, and stops the broker in order. */
async function readWithApache(
  folder: string,
  store: string,
  segmentSizeBytes: number,
  extra: readonly string[],
): Promise<ApacheReading> {
  const ports = await freePorts();
  const namesrv = `127.0.0.1:${ports.namesrv}`;
  const broker = `127.0.0.1:${ports.broker}`;
  const settings = [
    `mappedFileSizeCommitLog=${segmentSizeBytes}`,
    'transactionCheckInterval=3000',
    'transactionTimeOut=1000',
    'fileReservedTime=876000',
    'deleteWhen=99',
    ...extra,
  ];
  const env = {
    DIR: join(folder, 'apache'),
    LIB: library,
    STORE: store,
    NAMESRV_PORT: String(ports.namesrv),
    BROKER_PORT: String(ports.broker),
    NAMESRV_ADDR: namesrv,
    BROKER_NAME: 'golden',
    BROKER_HEAP: '512m',
    BROKER_CONF: settings.join('\n'),
  };
  const out = join(folder, 'read.json');
  try {
    await run('bash', [apache, 'start', 'namesrv', 'broker'], env);
    await new Promise((resolve) => setTimeout(resolve, settleMs));
    const reader = join(golden, 'generator/Golden.java');
    const java = ['-Xmx256m', `-Duser.home=${folder}`, '-cp', `${library}/*`, reader];
    await run('java', [...java, 'read', namesrv, broker, 'golden', out]);
  } finally {
    await run('bash', [apache, 'stop'], env);
  }
  return JSON.parse(await readFile(out, 'utf8')) as ApacheReading;
}

function placeOf(one: ReadMessage): string {
  const queue = `${one.topic} ${one.queueId} ${one.queueOffset}`;
  // Apache's broker serves a compacted topic from a log of its own, with offsets of that.
  if (one.topic === 'gr-compact') return `${queue} ${one.keys}`;
  return `${queue} ${one.physicalOffset} ${one.recordSha1}`;
}

/** Everything that was there is there; what is new was due, or is a check. */
function compare(name: string, expected: Expected, read: ApacheReading): void {
  const found = new Set(read.messages.map(placeOf));
  for (const one of expected.messages) {
    check(found.has(placeOf(one)), `${name}: Apache's broker does not serve ${placeOf(one)}`);
  }
  const known = new Set(expected.messages.map(placeOf));
  const delivered = new Map<string, number>();
  const checked = new Set<string>();
  for (const one of read.messages.filter((message) => !known.has(placeOf(message)))) {
    const keys = one.keys ?? '';
    if (one.topic === 'RMQ_SYS_TRANS_HALF_TOPIC') checked.add(keys);
    else if (!isSystem(one.topic)) delivered.set(keys, (delivered.get(keys) ?? 0) + 1);
  }
  for (const [keys, count] of delivered) {
    check(expected.waiting.has(keys), `${name}: ${keys} came although nobody waits for it`);
    check(count === 1, `${name}: ${keys} came ${count} times`);
  }
  for (const keys of expected.due) check(delivered.has(keys), `${name}: ${keys} did not come`);
  for (const keys of expected.open) check(checked.has(keys), `${name}: ${keys} was not checked`);
  for (const keys of checked) check(expected.open.has(keys), `${name}: ${keys} was checked`);
}

/** Of the system, and not the users' business. */
function isSystem(topic: string): boolean {
  return /^(rmq_sys_|RMQ_SYS_|SCHEDULE_TOPIC_XXXX$|TRANS_CHECK_MAX)/.test(topic);
}

/** Ours on what Apache's broker left: what it served, and what it had not done yet. */
async function takeBack(
  name: string,
  store: string,
  dataDir: string,
  expected: Expected,
  read: ApacheReading,
): Promise<void> {
  await importStore(store, dataDir);
  const messages = await rawMessagesOf(dataDir);
  const found = new Set(messages.map(placeOf));
  for (const one of read.messages.filter(
    ({ topic }) => !isSystem(topic) && !topic.startsWith('%LMQ%'),
  )) {
    // Ours has the parts of a batch by themselves, and of each the record of all.
    if (((one.sysFlag ?? 0) & 0x80) !== 0) continue;
    check(found.has(placeOf(one)), `${name}: ours does not have ${placeOf(one)} of Apache's`);
  }
  const content = await contentOf(dataDir);
  const fresh = read.messages.filter((one) => !isSystem(one.topic));
  const came = new Set(fresh.map(({ keys }) => keys ?? ''));
  const left = [...expected.waiting].filter((keys) => !came.has(keys));
  check(
    content.timers.length === left.length,
    `${name}: ${content.timers.length} timers wait in ours, ${left.length} should`,
  );
  checkOpen(name, content, expected);
}

function checkOpen(name: string, content: StoreContent, expected: Expected): void {
  const { transactions } = content;
  check(
    transactions.length === expected.open.size,
    `${name}: ${transactions.length} transactions are open in ours, ${expected.open.size} should be`,
  );
}

async function goldenExpected(name: string): Promise<Expected> {
  const manifest = JSON.parse(await readFile(join(golden, name, 'manifest.json'), 'utf8')) as {
    messages: (ReadMessage & { readonly properties: Record<string, string> })[];
  };
  const { messages } = manifest;
  const parked = messages.filter(({ topic }) => topic === 'SCHEDULE_TOPIC_XXXX');
  const wheel = messages.filter(({ topic }) => topic === 'rmq_sys_wheel_timer');
  const came = new Set(messages.filter(({ topic }) => !isSystem(topic)).map(({ keys }) => keys));
  const waits = (one: ReadMessage): boolean =>
    one.keys !== null && one.keys !== 'recalled' && !came.has(one.keys);
  const byLevel = parked.filter(waits).map(({ keys }) => keys ?? '');
  const byTime = wheel.filter(waits);
  const soonMs = Date.now() + settleMs / 2;
  const late = byTime.filter(
    ({ properties }) => Number(properties['TIMER_OUT_MS']) < soonMs - 2_000,
  );
  const open = messages.filter(
    ({ topic, keys }) => topic === 'RMQ_SYS_TRANS_HALF_TOPIC' && keys?.startsWith('tx-open-'),
  );
  return {
    messages,
    waiting: new Set([...byLevel, ...byTime.map(({ keys }) => keys ?? '')]),
    // The recorded stores are older than the longest level.
    due: new Set([...byLevel, ...late.map(({ keys }) => keys ?? '')]),
    open: new Set(open.map(({ keys }) => keys ?? '')),
  };
}

async function runStore(name: string, folder: string): Promise<void> {
  const dataDir = join(folder, 'data');
  let expected: Expected;
  if (name === 'own') {
    const filled = await fillOwnStore(dataDir);
    expected = await expectedOfOwn(dataDir, filled);
  } else {
    await run('tar', ['xzf', join(golden, name, 'store.tar.gz'), '-C', folder]);
    await importStore(join(folder, 'store'), dataDir);
    await rm(join(folder, 'store'), { recursive: true });
    expected = await goldenExpected(name);
  }
  const store = join(folder, 'exported');
  const { segmentSizeBytes } = await exportStore(dataDir, store);
  const extra = name === 'rare' ? rareSettings : [];
  const read = await readWithApache(folder, store, segmentSizeBytes, extra);
  compare(name, expected, read);
  await takeBack(name, store, join(folder, 'back'), expected, read);
}

if (!haveApache()) {
  process.stdout.write('skipped: ../shared/reference/apache is not here\n');
} else {
  let passed = 0;
  let failed = 0;
  for (const name of flags.stores.split(/[ ,]+/)) {
    const folder = await mkdtemp(join(tmpdir(), 'rmq-interop-store-'));
    problems.length = 0;
    try {
      await runStore(name, folder);
    } catch (error) {
      problems.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      if (flags.keep) await cp(folder, `${folder}-kept`, { recursive: true });
    }
    if (problems.length === 0) passed++;
    else failed++;
    process.stdout.write(problems.length === 0 ? `PASS ${name}\n` : '');
    for (const problem of problems.slice(0, 20)) process.stdout.write(`FAIL ${problem}\n`);
    if (!flags.keep) await rm(folder, { recursive: true, force: true });
  }
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  process.exitCode = failed > 0 ? 1 : 0;
}
