/**
 * A database that outlasts a full disk. LevelDB takes no more after a write that failed; so what could not be written
 * for lack of space waits, and with it every later write, until there is space; then the database is opened anew
 * and the same operations are written again. Reads go on meanwhile. Any other failure is the caller's.
 */
import type { Clock } from '../../../platform/clock.ts';
import { RmqError } from '../../../protocol/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import type { Database, DatabaseFactory, DatabaseOperation, DatabaseRange } from './database.ts';

/** Opening writes, too: tables of what the database's own log holds. */
const reopenBytesMin = 12 << 20;
const retryIntervalMs = 500;

export class PatientDatabase implements Database {
  #database: Database;
  readonly #openAgain: DatabaseFactory;
  readonly #freeBytes: () => Promise<number>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #full: RmqError | undefined = undefined;
  #isGivenUp = false;
  #wake: (() => void) | undefined = undefined;
  #writing: Promise<void> = Promise.resolve();
  /** Settles when reads have a database again. */
  #reopening: Promise<void> | undefined = undefined;
  #readCount = 0;
  #readsDone: (() => void) | undefined = undefined;
  /** Counts the times that it was opened. */
  #generation = 0;

  /** `database` is open; it is this one's from now on. */
  constructor(
    database: Database,
    options: {
      readonly openAgain: DatabaseFactory;
      readonly freeBytes: () => Promise<number>;
      readonly clock: Clock;
      readonly logger: Logger;
    },
  ) {
    this.#database = database;
    this.#openAgain = options.openAgain;
    this.#freeBytes = options.freeBytes;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** Why writes wait; undefined: they do not. */
  get full(): RmqError | undefined {
    return this.#full;
  }

  open(): Promise<void> {
    return this.#database.open();
  }

  /** From now on a write that finds no space is rejected as any other. */
  giveUp(): void {
    this.#isGivenUp = true;
    this.#wake?.();
  }

  async close(): Promise<void> {
    this.giveUp();
    await this.#writing;
    await this.#database.close();
  }

  batch(operations: DatabaseOperation[], options: { readonly sync: boolean }): Promise<void> {
    return this.#write((database) => database.batch(operations, options));
  }

  clear(range: DatabaseRange): Promise<void> {
    return this.#write((database) => database.clear(range));
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return await this.#read((database) => database.get(key));
  }

  async getMany(keys: string[]): Promise<(Uint8Array | undefined)[]> {
    return await this.#read((database) => database.getMany(keys));
  }

  async *iterator(range: DatabaseRange): AsyncIterable<[string, Uint8Array]> {
    let { gte } = range;
    for (;;) {
      while (this.#reopening !== undefined) await this.#reopening;
      const generation = this.#generation;
      try {
        for await (const row of this.#database.iterator({ ...range, gte })) {
          // The next key there can be.
          gte = `${row[0]}\0`;
          yield row;
        }
        return;
      } catch (error) {
        // Opened anew under it: it goes on where it was.
        if (generation === this.#generation && this.#reopening === undefined) throw error;
      }
    }
  }

  async #read<T>(work: (database: Database) => Promise<T>): Promise<T> {
    while (this.#reopening !== undefined) await this.#reopening;
    this.#readCount += 1;
    try {
      return await work(this.#database);
    } finally {
      this.#readCount -= 1;
      if (this.#readCount === 0) this.#readsDone?.();
    }
  }

  /** One after the other: what waits for space must not be overtaken. */
  #write(work: (database: Database) => Promise<void>): Promise<void> {
    const next = this.#writing.then(() => this.#writeOnce(work));
    this.#writing = next.catch(() => undefined); // `next` itself tells its caller
    return next;
  }

  async #writeOnce(work: (database: Database) => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await work(this.#database);
        if (this.#full !== undefined) this.#logger.info('the index has space again');
        this.#full = undefined;
        return;
      } catch (error) {
        if (!isNoSpace(error) || this.#isGivenUp) throw error;
        this.#isFull(error);
        if (!(await this.#reopenWithSpace())) throw error;
      }
    }
  }

  #isFull(cause: unknown): void {
    if (this.#full !== undefined) return;
    this.#full = new RmqError('DISK_FULL', 'no space left on the disk that holds the index', {
      hint: 'free some space; messages are accepted again by themselves',
      cause,
    });
    this.#logger.warn('no space for the index, messages are refused', { reason: String(cause) });
  }

  /** False: given up. */
  async #reopenWithSpace(): Promise<boolean> {
    for (;;) {
      await this.#pause();
      if (this.#isGivenUp) return false;
      if ((await this.#freeBytes()) < reopenBytesMin) continue;
      const reopening = this.#reopen();
      this.#reopening = reopening.then(() => undefined);
      const isOpen = await reopening;
      this.#reopening = undefined;
      return isOpen;
    }
  }

  /** Nobody can read until it has succeeded. False: given up. */
  async #reopen(): Promise<boolean> {
    if (this.#readCount > 0) {
      await new Promise<void>((resolve) => {
        this.#readsDone = resolve;
      });
      this.#readsDone = undefined;
    }
    await this.#database.close();
    for (;;) {
      const database = this.#openAgain();
      try {
        await database.open();
        this.#database = database;
        this.#generation += 1;
        return true;
      } catch (error) {
        this.#logger.warn('the index cannot be opened again yet', { reason: String(error) });
      }
      await this.#pause();
      if (this.#isGivenUp) return false;
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(retryIntervalMs, resolve);
      this.#wake = () => {
        this.#clock.clearTimer(timer);
        resolve();
      };
    });
  }
}

/** LevelDB's own words are in the message, or in that of the cause. */
function isNoSpace(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (code === 'ENOSPC' || code === 'EDQUOT') return true;
  if (/No space left on device|Disk quota exceeded/.test(error.message)) return true;
  return isNoSpace(error.cause);
}
