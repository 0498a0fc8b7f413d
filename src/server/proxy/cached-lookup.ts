/**
 * Values by name that somebody else owns: looked up when missing, answered from here while fresh, looked
 * up again in the background while they are used. When a lookup cannot reach anybody, the last value
 * stays; when it says that there is none, the value goes.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../platform/clock.ts';
import { asRmqError, RmqError } from '../../protocol/errors.ts';
import type { Reply } from '../../util/reply.ts';

/** Values not asked for in this long are forgotten. */
const unusedMs = 60_000;
const countMax = 100_000;
/** Values looked up again in one go: of 10,000, all at once would hold up everything else for half a second. */
const refreshCountMax = 250;

class Entry<T> {
  value: T | undefined = undefined;
  /** Fresh values are answered at once. */
  isFresh = false;
  lookedAtMs = 0;
  usedAtMs = 0;
  isLooking = false;
  waiting: Reply<T, RmqError>[] = [];
}

export class CachedLookup<T> {
  readonly #clock: Clock;
  readonly #refreshAfterMs: number;
  readonly #look: (name: string, isRefresh: boolean) => Promise<T>;
  readonly #changed: (value: T) => void;
  readonly #entries = new Map<string, Entry<T>>();

  constructor(options: {
    readonly clock: Clock;
    readonly refreshAfterMs: number;
    /**
     * `isRefresh`: nobody asked just now. @throws RmqError; one of kind "not found" removes the value.
     */
    readonly look: (name: string, isRefresh: boolean) => Promise<T>;
    /** Hears of values that differ from the last one of their name. */
    readonly changed?: (value: T) => void;
  }) {
    this.#clock = options.clock;
    this.#refreshAfterMs = options.refreshAfterMs;
    this.#look = options.look;
    this.#changed = options.changed ?? ((): void => {});
  }

  get(name: string, reply: Reply<T, RmqError>): void {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      if (this.#entries.size >= countMax) {
        reply(new RmqError('BUSY', `over ${countMax} names are in use`));
        return;
      }
      entry = new Entry<T>();
      this.#entries.set(name, entry);
    }
    entry.usedAtMs = this.#clock.monotonicMs();
    if (entry.isFresh && entry.value !== undefined) {
      reply(entry.value);
      return;
    }
    entry.waiting.push(reply);
    this.#start(name, entry);
  }

  /** The last value, fresh or not. */
  peek(name: string): T | undefined {
    return this.#entries.get(name)?.value;
  }

  /** Everything is looked up again before it is answered. */
  expire(): void {
    for (const entry of this.#entries.values()) entry.isFresh = false;
  }

  /** Looks up again what is in use and not new, some, those of long ago first; forgets what is not used. */
  refresh(): void {
    const nowMs = this.#clock.monotonicMs();
    let count = 0;
    for (const [name, entry] of this.#entries) {
      if (nowMs - entry.usedAtMs > unusedMs && !entry.isLooking) this.#entries.delete(name);
      else if (count < refreshCountMax && this.#isDue(entry, nowMs)) {
        count++;
        // What was looked up last comes last.
        this.#entries.delete(name);
        this.#entries.set(name, entry);
        this.#start(name, entry);
      }
    }
  }

  #isDue(entry: Entry<T>, nowMs: number): boolean {
    return !entry.isLooking && nowMs - entry.lookedAtMs >= this.#refreshAfterMs;
  }

  #start(name: string, entry: Entry<T>): void {
    if (entry.isLooking) return;
    entry.isLooking = true;
    entry.lookedAtMs = this.#clock.monotonicMs();
    this.#look(name, entry.waiting.length === 0).then(
      (value) => {
        const before = entry.value;
        if (before !== undefined && !isDeepStrictEqual(before, value)) this.#changed(value);
        entry.value = value;
        entry.isFresh = true;
        this.#done(entry, value);
      },
      (error: unknown) => this.#failed(name, entry, asRmqError(error)),
    );
  }

  #failed(name: string, entry: Entry<T>, error: RmqError): void {
    const isGone = error.code === 'TOPIC_NOT_FOUND' || error.code === 'GROUP_NOT_FOUND';
    if (isGone) this.#entries.delete(name);
    this.#done(entry, isGone ? error : (entry.value ?? error));
  }

  #done(entry: Entry<T>, result: T | RmqError): void {
    entry.isLooking = false;
    const { waiting } = entry;
    entry.waiting = [];
    for (const reply of waiting) reply(result);
  }
}
