/**
 * Waiting timers as Apache's broker keeps them: the wheel, the timer log, and how far both have come
 * (facts/store.md §10.3 … §10.5). Without them it would fire every timer of the log again.
 */
import type { Files, OpenFile } from '../../platform/files.ts';
import { putInt32, putInt64 } from '../../protocol/message/bytes.ts';
import { javaHashCode } from '../../protocol/message/java-hash.ts';
import type { Timer } from '../broker/schedule/timer.ts';

const second = 1_000;
const slotCount = 2 * 7 * 24 * 3_600;
const slotSizeBytes = 32;
const entrySizeBytes = 52;
const logFileSizeBytes = 100 << 20;
/** Behind the last entry of a file: size, zero, magic. */
const blankSizeBytes = 16;
const blankMagic = 0xcbd43194 | 0;
const magicDefault = 1;
const magicRoll = 2;
/** Beyond this the wheel would have to turn; Apache writes such a timer again on the way. */
const horizonMs = 7 * 24 * 3_600 * second;
/** Timers that were due this long ago lie behind what the wheel can hold. */
const lateMaxMs = 6 * 24 * 3_600 * second;

export interface WheelContent {
  /** Those that wait in the wheel topic. */
  readonly timers: readonly Timer[];
  /** Behind the last record of the wheel topic. */
  readonly queueOffset: number;
  /** The last record of the wheel topic, as far as there is one. */
  readonly lastRecord: { readonly physicalOffset: number; readonly sizeBytes: number } | undefined;
  readonly nowMs: number;
}

interface Slot {
  firstPosition: number;
  lastPosition: number;
  count: number;
}

/** Writes `timerwheel`, `timerlog/` and `config/timercheck` below `to`. */
export async function writeTimers(files: Files, to: string, content: WheelContent): Promise<void> {
  const { timers, nowMs, queueOffset, lastRecord } = content;
  const sorted = timers.toSorted(
    (a, b) => a.dueMs - b.dueMs || a.physicalOffset - b.physicalOffset,
  );
  const readMs = readTime(sorted, nowMs);
  const log = new TimerLog(files, `${to}/timerlog`);
  const slots = new Map<number, Slot>();
  for (const timer of sorted) {
    const { outMs, magic } = placeOf(timer, nowMs, readMs);
    const slot = slots.get(outMs);
    const position = await log.add({
      previous: slot?.lastPosition ?? -1,
      magic,
      writeMs: Math.min(nowMs, outMs),
      outMs,
      record: { physicalOffset: timer.physicalOffset, sizeBytes: timer.storeSizeBytes },
      topic: timer.topic,
    });
    if (slot === undefined) {
      slots.set(outMs, { firstPosition: position, lastPosition: position, count: 1 });
    } else {
      slot.lastPosition = position;
      slot.count++;
    }
  }
  // Apache takes up the wheel topic behind the record that the last entry of the timer log names, whatever the
  // check point says. This entry is for a second that has passed: no slot that will be read holds it.
  if (lastRecord !== undefined) {
    const outMs = readMs - 3_600 * second;
    const entry = { previous: -1, magic: magicDefault, writeMs: outMs, outMs, topic: '' };
    await log.add({ ...entry, record: lastRecord });
  }
  const endPosition = await log.close();
  await writeWheel(files, `${to}/timerwheel`, slots);
  const check = Buffer.alloc(4_096);
  let at = putInt64(check, 0, readMs);
  at = putInt64(check, at, endPosition);
  at = putInt64(check, putInt64(check, at, queueOffset), queueOffset);
  putInt64(check, putInt64(check, putInt64(check, at, 0), nowMs), 1);
  await files.makeFolder(`${to}/config`);
  await files.replaceFile(`${to}/config/timercheck`, check);
}

/** The first second that has not been handled: that of the oldest timer, which may be overdue. */
function readTime(sorted: readonly Timer[], nowMs: number): number {
  const nowSecond = Math.floor(nowMs / second) * second;
  const oldest = sorted[0];
  if (oldest === undefined) return nowSecond;
  return Math.max(nowSecond - lateMaxMs, Math.min(nowSecond, secondOf(oldest.dueMs)));
}

/** Down to the second, a full one to the one before, as Apache has it. */
function secondOf(dueMs: number): number {
  return Math.ceil(dueMs / second) * second - second;
}

function placeOf(
  { dueMs }: Timer,
  nowMs: number,
  readMs: number,
): { readonly outMs: number; readonly magic: number } {
  const outMs = Math.max(readMs, secondOf(dueMs));
  if (outMs - nowMs < horizonMs) return { outMs, magic: magicDefault };
  const rollMs = Math.floor((nowMs + horizonMs / 2) / second) * second;
  return { outMs: rollMs, magic: magicDefault | magicRoll };
}

/** Slot: time in seconds (8) · first (8) and last (8) position in the timer log · count (4) · 0 (4). */
async function writeWheel(
  files: Files,
  path: string,
  slots: ReadonlyMap<number, Slot>,
): Promise<void> {
  const file = await files.open(path, { create: true });
  try {
    await file.truncate(slotCount * slotSizeBytes);
    for (const [outMs, { firstPosition, lastPosition, count }] of slots) {
      const out = Buffer.alloc(slotSizeBytes);
      const at = putInt64(out, 0, outMs / second);
      putInt32(out, putInt64(out, putInt64(out, at, firstPosition), lastPosition), count);
      await file.write(out, ((outMs / second) % slotCount) * slotSizeBytes);
    }
    await file.datasync();
  } finally {
    await file.close();
  }
}

interface TimerLogEntry {
  /** Position of the entry before in the same slot; -1: the first. */
  readonly previous: number;
  readonly magic: number;
  readonly writeMs: number;
  readonly outMs: number;
  readonly record: { readonly physicalOffset: number; readonly sizeBytes: number };
  readonly topic: string;
}

class TimerLog {
  readonly #files: Files;
  readonly #folder: string;
  #base = 0;
  #at = 0;
  #file: OpenFile | undefined = undefined;

  constructor(files: Files, folder: string) {
    this.#files = files;
    this.#folder = folder;
  }

  /** Answers the entry's position. */
  async add(entry: TimerLogEntry): Promise<number> {
    if (this.#at + entrySizeBytes + blankSizeBytes > logFileSizeBytes) await this.#roll();
    this.#file ??= await this.#open();
    const out = Buffer.alloc(entrySizeBytes);
    let at = putInt64(out, putInt32(out, 0, entrySizeBytes), entry.previous);
    at = putInt64(out, putInt32(out, at, entry.magic), entry.writeMs);
    at = putInt32(out, at, entry.outMs - entry.writeMs);
    at = putInt32(out, putInt64(out, at, entry.record.physicalOffset), entry.record.sizeBytes);
    putInt32(out, at, javaHashCode(entry.topic));
    await this.#file.write(out, this.#at);
    const position = this.#base + this.#at;
    this.#at += entrySizeBytes;
    return position;
  }

  async #roll(): Promise<void> {
    const out = Buffer.alloc(blankSizeBytes);
    putInt32(out, putInt64(out, putInt32(out, 0, logFileSizeBytes - this.#at), 0), blankMagic);
    await this.#file?.write(out, this.#at);
    await this.close();
    this.#base += logFileSizeBytes;
    this.#at = 0;
  }

  async #open(): Promise<OpenFile> {
    if (this.#base === 0) await this.#files.makeFolder(this.#folder);
    const name = String(this.#base).padStart(20, '0');
    const file = await this.#files.open(`${this.#folder}/${name}`, { create: true });
    await file.truncate(logFileSizeBytes);
    return file;
  }

  /** Answers where the log ends. */
  async close(): Promise<number> {
    await this.#file?.datasync();
    await this.#file?.close();
    this.#file = undefined;
    return this.#base + this.#at;
  }
}
