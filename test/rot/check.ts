/**
 * One case: a copy of the store is damaged; the check must find it; opened, the store must serve nothing that was
 * not written and lose no more than what was hit; and once opened, all but the log's holes must agree again.
 */
import { rm } from 'node:fs/promises';
import { NodeFiles } from '../../src/platform/node-files.ts';
import type { StoredMessage } from '../../src/protocol/message/message.ts';
import type { Logger } from '../../src/server/shared/logger.ts';
import type { RecoveryReport } from '../../src/server/store/message-store.ts';
import { type StoreFinding, verifyStore } from '../../src/server/store/tools/verify-store.ts';
import { readBody } from '../sim/payload.ts';
import type { SimRandom } from '../sim/random.ts';
import { readEntries, readMessages } from '../sim/store-calls.ts';
import { check } from '../sim/store-model.ts';
import { type Damage, drawDamage, inflict } from './damage.ts';
import { copyOf, type Fixture, type Kept, makeStore, type OpenStore } from './fixture.ts';

/** Rows of state that stand together in a block or a batch of the database; what is hit may be all of them. */
const stateRowsTogether = 60;

export interface Outcome {
  /** False: only bytes that mean nothing changed, behind the end of a segment. */
  readonly isDamaged: boolean;
  readonly lostMessages: number;
  readonly lostState: number;
  readonly kind: string;
}

/** @throws when something is not as it should be, with what and where. */
export async function runCase(
  fixture: Fixture,
  folder: string,
  random: SimRandom,
): Promise<Outcome> {
  await copyOf(fixture, folder);
  const damage = drawDamage(fixture, random);
  const isDamaged = isMeaningful(fixture, damage);
  const isWithoutIndex = damage.path.startsWith('commitlog/') && random.chance(0.3);
  const isCheckedAgain = random.chance(0.2);
  try {
    await inflict(folder, damage);
    if (isDamaged) await mustBeFound(folder, damage);
    if (isWithoutIndex) await rm(`${folder}/index`, { recursive: true });
    const outcome = await openAndCheck(fixture, folder, { damage, isWithoutIndex });
    if (isCheckedAgain) await mustAgree(folder);
    const part = damage.path.startsWith('commitlog/') ? 'log' : 'index';
    return { isDamaged, ...outcome, kind: `${damage.kind} in the ${part}` };
  } catch (error) {
    const where = damage.ranges.map(({ begin, end }) => `${begin}..${end}`).join(' ');
    const how = isWithoutIndex ? ', index deleted' : '';
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${damage.kind} in ${damage.path} at ${where}${how}: ${reason}`, {
      cause: error,
    });
  }
}

/** Zeros behind the last record, or behind a segment's closing record, are there for nobody. */
function isMeaningful(fixture: Fixture, { path, content, ranges }: Damage): boolean {
  if (path === 'stopped') return content !== undefined;
  if (!path.startsWith('commitlog/')) return true;
  const base = Number(path.slice('commitlog/'.length));
  const before = fixture.files.get(path) ?? Buffer.alloc(0);
  let end = 0;
  for (const { place } of fixture.messages) {
    const at = place.physicalOffset - base;
    if (at >= 0 && at < before.length) end = Math.max(end, at + place.storeSizeBytes);
  }
  const isLast = ![...fixture.files.keys()].some(
    (one) => one > path && one.startsWith('commitlog/'),
  );
  if (!isLast) end += 8; // the closing record
  const isBehind = ranges.every(({ begin }) => begin >= end);
  return !isBehind || content?.subarray(end).some((byte) => byte !== 0) === true;
}

async function findings(folder: string): Promise<StoreFinding[]> {
  const found: StoreFinding[] = [];
  for await (const one of verifyStore(new NodeFiles(), folder)) found.push(one);
  return found;
}

async function mustBeFound(folder: string, damage: Damage): Promise<void> {
  const isGone = damage.content === undefined && damage.path.startsWith('commitlog/');
  const found = await findings(folder);
  const isFound = found.some((one) => one.problem !== undefined);
  check(isFound, `not found${isGone ? ' (a file is gone)' : ''}`);
}

/** After an opening only the log's holes are left. */
async function mustAgree(folder: string): Promise<void> {
  const wrong = (await findings(folder)).find(
    (one) => one.problem !== undefined && !one.part.startsWith('log '),
  );
  check(wrong === undefined, `after opening: ${wrong?.part}: ${wrong?.problem}`);
}

async function openAndCheck(
  fixture: Fixture,
  folder: string,
  how: { readonly damage: Damage; readonly isWithoutIndex: boolean },
): Promise<Pick<Outcome, 'lostMessages' | 'lostState'>> {
  const told: string[] = [];
  const opened = await makeStore(folder, listener(told));
  const report = await opened.store.start();
  try {
    const served = await serve(opened, fixture);
    const lost = fixture.messages.filter(({ number }) => !served.has(number));
    for (const one of lost) mustBeHit(one, how.damage);
    checkTally(opened, served);
    if (lost.length > 0) mustBeTold(report, told);
    const lostState = how.isWithoutIndex ? 0 : await checkState(opened, fixture, how.damage);
    if (how.damage.path.startsWith('index/')) mustBeTold(report, told);
    return { lostMessages: lost.length, lostState };
  } finally {
    await opened.store.stop();
  }
}

function listener(told: string[]): Logger {
  const tell = (text: string): void => void told.push(text);
  const logger: Logger = {
    error: tell,
    warn: tell,
    info: () => undefined,
    debug: () => undefined,
    setLevel: () => undefined,
    named: () => logger,
  };
  return logger;
}

function mustBeTold(report: RecoveryReport, told: readonly string[]): void {
  const isTold = report.holes.length > 0 || report.problems.length > 0 || told.length > 0;
  check(isTold, 'nobody was told');
}

/** Everything that consumers get, each as it was written. */
async function serve(
  { store }: OpenStore,
  fixture: Fixture,
): Promise<ReadonlyMap<number, StoredMessage>> {
  const served = new Map<number, StoredMessage>();
  for (const queue of store.queues()) {
    for (let next: number = queue.minOffset; next < queue.maxOffset; ) {
      const entries = await readEntries(store, queue, next, 64);
      check(entries.length > 0, `${queue.topic}/${queue.queueId}@${next}: no entry`);
      for (const [index, message] of (await readMessages(store, entries)).entries()) {
        if (message === undefined) continue;
        const number = readBody(message.body);
        check(typeof number === 'number', `${queue.topic}@${next + index}: ${number}`);
        const kept = fixture.messages[number];
        check(kept !== undefined, `message ${number} was never written`);
        mustBeAsWritten(kept, message, { queue, queueOffset: next + index });
        check(!served.has(number), `message ${number} is served twice`);
        served.set(number, message);
      }
      next += entries.length;
    }
  }
  return served;
}

function mustBeAsWritten(
  { number, topic, queueId, place }: Kept,
  message: StoredMessage,
  at: {
    readonly queue: { readonly topic: string; readonly queueId: number };
    readonly queueOffset: number;
  },
): void {
  const of = `message ${number}`;
  check(at.queue.topic === topic && message.topic === topic, `${of} has topic ${message.topic}`);
  check(at.queue.queueId === queueId && message.queueId === queueId, `${of} is in another queue`);
  check(
    at.queueOffset === place.queueOffset && message.queueOffset === place.queueOffset,
    `${of} changed its queue offset`,
  );
  check(message.physicalOffset === place.physicalOffset, `${of} moved`);
  check(message.storeTimestampMs === place.storeTimestampMs, `${of} changed its store time`);
  const properties = `KEYS\u0001k${number}\u0002TAGS\u0001t${number % 5}\u0002`;
  check(String(message.properties) === properties, `${of} changed its properties`);
  check(message.sysFlag === 0 && message.flag === 0, `${of} changed its flags`);
}

function mustBeHit({ number, place }: Kept, damage: Damage): void {
  const isLog = damage.path.startsWith('commitlog/');
  const base = Number(damage.path.slice('commitlog/'.length));
  const begin = place.physicalOffset - base;
  const end = begin + place.storeSizeBytes;
  const isHit = isLog && damage.ranges.some((range) => range.begin < end && range.end > begin);
  check(isHit, `message ${number} is lost and was not hit`);
}

function checkTally({ tally }: OpenStore, served: ReadonlyMap<number, StoredMessage>): void {
  for (const [number, { physicalOffset }] of served) {
    const text = tally.places.get(physicalOffset);
    check(text === String(number), `message ${number}: what follows from the log says ${text}`);
  }
}

/** Rows as they were, but for some that stood where the damage is. Answers how many those are. */
async function checkState(
  { store }: OpenStore,
  { state }: Fixture,
  damage: Damage,
): Promise<number> {
  let wholeCount = 0;
  for await (const [key, value] of store.loadState('offset/')) {
    const text = String(Buffer.from(value));
    const wanted = state.get(key);
    check(wanted !== undefined, `row ${key} was never written`);
    // The row as it was before is what is left when its newest version was hit.
    check(/^\d-\d+-v*$/.test(text), `row ${key} says ${text}`);
    if (text === wanted) wholeCount++;
  }
  const lostCount = state.size - wholeCount;
  const isIndex = damage.path.startsWith('index/');
  check(isIndex || lostCount === 0, `${lostCount} rows of state are lost and were not hit`);
  const isFile = damage.kind === 'cut' || damage.kind === 'deleted';
  check(isFile || lostCount <= stateRowsTogether, `${lostCount} rows of state are lost`);
  return lostCount;
}
