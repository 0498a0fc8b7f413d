/**
 * A level database of one life of a process, over what survives in a `DatabaseDisk`: batches are
 * atomic and kept in order; those written without `sync` survive the death of the process, and of a
 * power cut only a prefix does (LevelDB's own log). A write that failed ends the database's writes
 * until it is opened again, as LevelDB's background error does.
 */
import { MemoryLevel } from 'memory-level';
import { systemError } from './faults.ts';
import type { Hardware } from './files.ts';
import { type Incarnation, never } from './incarnation.ts';
import type { SimRandom } from './random.ts';

interface Change {
  readonly type: 'put' | 'del';
  readonly key: Buffer;
  readonly value?: Buffer;
}

interface WriteOptions {
  readonly sync?: boolean;
}

/** MemoryLevel's own half of abstract-level's contract, which its types leave out. */
interface Inner {
  _batch(changes: readonly Change[], options: object): Promise<void>;
  _get(key: Buffer, options: object): Promise<Buffer | undefined>;
  _getMany(keys: readonly Buffer[], options: object): Promise<(Buffer | undefined)[]>;
}
const inner = MemoryLevel.prototype as unknown as Inner;

/** What survives of a database. */
export class DatabaseDisk {
  readonly #durable = new Map<string, Change>();
  #unsynced: (readonly Change[])[] = [];

  keep(changes: readonly Change[], options: { readonly isSynced: boolean }): void {
    this.#unsynced.push(changes);
    if (options.isSynced) this.#settle(this.#unsynced.length);
  }

  powerCut(random: SimRandom): void {
    const count = this.#unsynced.length;
    this.#settle(random.pick([0, count, random.below(count + 1)]));
    this.#unsynced = [];
  }

  /** Somebody deletes the database's folder. */
  wipe(): void {
    this.#durable.clear();
    this.#unsynced = [];
  }

  content(): Change[] {
    const content = new Map(this.#durable);
    for (const changes of this.#unsynced) merge(content, changes);
    return [...content.values()];
  }

  #settle(count: number): void {
    for (const changes of this.#unsynced.splice(0, count)) merge(this.#durable, changes);
  }
}

function merge(content: Map<string, Change>, changes: readonly Change[]): void {
  for (const change of changes) {
    const name = change.key.toString('latin1');
    if (change.type === 'put') content.set(name, change);
    else content.delete(name);
  }
}

export class SimDatabase extends MemoryLevel<string, Uint8Array> {
  readonly #disk: DatabaseDisk;
  readonly #hardware: Hardware;
  readonly #incarnation: Incarnation;
  /** LevelDB writes one batch after the other. */
  #freeAtUs = 0;
  #failure: Error | undefined;

  constructor(disk: DatabaseDisk, hardware: Hardware, incarnation: Incarnation) {
    super({ storeEncoding: 'buffer', keyEncoding: 'utf8', valueEncoding: 'view' });
    this.#disk = disk;
    this.#hardware = hardware;
    this.#incarnation = incarnation;
  }

  async _open(): Promise<void> {
    await this.#wait('open', 500, 5_000);
    await inner._batch.call(this, this.#disk.content(), {});
  }

  _batch(operations: readonly Change[], options: WriteOptions): Promise<void> {
    const { scheduler, random, trace, faults, disk } = this.#hardware;
    if (!this.#incarnation.enter()) return never();
    const isSynced = options.sync === true;
    const changes = operations.map(copyChange);
    const name = `database batch of ${changes.length}${isSynced ? ' sync' : ''}`;
    trace.note(scheduler.nowUs, `+ ${name}`);
    let delayUs = isSynced ? random.between(100, 3_000) : random.between(20, 200);
    if (random.chance(faults.isSlow)) delayUs += random.below(faults.slowestMs * 1000);
    const isFailing = random.chance(faults.databaseFails);
    this.#freeAtUs = Math.max(this.#freeAtUs, scheduler.nowUs) + delayUs;
    return new Promise((resolve, reject) => {
      const abandon = (): void => {
        planned.isCancelled = true;
        // In order: once one is lost, the later ones are.
        if (random.chance(0.5)) this.#failure = systemError('EIO', 'dead');
        if (this.#failure === undefined) this.#disk.keep(changes, { isSynced: false });
      };
      this.#incarnation.onDeath(abandon);
      const planned = scheduler.plan(this.#freeAtUs - scheduler.nowUs, () => {
        this.#incarnation.offDeath(abandon);
        if (this.#failure === undefined && isFailing) {
          this.#failure = systemError('EIO', name);
          if (random.chance(0.5)) this.#disk.keep(changes, { isSynced: false });
        }
        if (disk.freeBytes() === 0) this.#failure ??= systemError('ENOSPC', name);
        if (this.#failure !== undefined) {
          trace.note(scheduler.nowUs, `! ${name}: ${String(this.#failure)}`);
          reject(this.#failure);
          return;
        }
        this.#disk.keep(changes, { isSynced });
        trace.note(scheduler.nowUs, `- ${name}`);
        resolve(inner._batch.call(this, changes, {}));
      });
    });
  }

  _put(key: Buffer, value: Buffer, options: WriteOptions): Promise<void> {
    return this._batch([{ type: 'put', key, value }], options);
  }

  _del(key: Buffer, options: WriteOptions): Promise<void> {
    return this._batch([{ type: 'del', key }], options);
  }

  async _clear(options: object): Promise<void> {
    const changes: Change[] = [];
    const keys = this.keys<Buffer>({ ...options, keyEncoding: 'buffer' });
    for await (const key of keys) {
      changes.push({ type: 'del', key });
    }
    await this._batch(changes, {});
  }

  async _get(key: Buffer, options: object): Promise<Buffer | undefined> {
    await this.#wait('get', 10, 100);
    return inner._get.call(this, key, options);
  }

  async _getMany(keys: readonly Buffer[], options: object): Promise<(Buffer | undefined)[]> {
    await this.#wait('getMany', 10, 100);
    return inner._getMany.call(this, keys, options);
  }

  #wait(name: string, lowUs: number, highUs: number): Promise<void> {
    const { scheduler, random, trace } = this.#hardware;
    if (!this.#incarnation.enter()) return never();
    trace.note(scheduler.nowUs, `+ database ${name}`);
    return new Promise((resolve) => {
      scheduler.plan(random.between(lowUs, highUs), () => {
        if (this.#incarnation.isAlive) resolve();
      });
    });
  }
}

function copyChange(change: Change): Change {
  const key = Buffer.from(change.key);
  if (change.type === 'del') return { type: 'del', key };
  return { type: 'put', key, value: Buffer.from(change.value as Buffer) };
}
