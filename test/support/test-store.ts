/** A `LogStore` over files and a database in memory that outlive it, for restarts and damage. */
import { MemoryFiles } from '../../src/platform/memory-files.ts';
import type { MessageDraft, StoredMessage } from '../../src/protocol/message/message.ts';
import { encodeProperties } from '../../src/protocol/message/properties.ts';
import { silentLogger } from '../../src/server/shared/logger.ts';
import type { DatabaseFactory } from '../../src/server/store/index/database.ts';
import { memoryDatabaseFactory } from '../../src/server/store/index/level-database.ts';
import { LogStore } from '../../src/server/store/log-store.ts';
import type { Appended, RecoveryReport } from '../../src/server/store/message-store.ts';
import type { LogStoreOptions } from '../../src/server/store/options.ts';
import { ManualClock, settle } from './manual-clock.ts';
import { mortal } from './mortal.ts';
import { localHost, plainDraft } from './plain-draft.ts';

export function draftOf(
  topic: string,
  queueId: number,
  body: string | Buffer,
  properties: Readonly<Record<string, string>> = {},
): MessageDraft {
  return plainDraft({
    topic,
    queueId,
    bornTimestampMs: 1,
    body: Buffer.from(body),
    properties: encodeProperties(new Map(Object.entries(properties))),
  });
}

export class TestStore {
  readonly clock: ManualClock = new ManualClock();
  files: MemoryFiles = new MemoryFiles({ nowMs: () => this.clock.nowMs() });
  openDatabase: DatabaseFactory | undefined;
  store!: LogStore;
  report!: RecoveryReport;
  /** Called with each new store before it starts. */
  prepare: (store: LogStore) => void = () => {};
  #life = { isAlive: true };
  readonly #options: Partial<LogStoreOptions>;

  constructor(options: Partial<LogStoreOptions> = {}) {
    this.#options = options;
  }

  async start(): Promise<this> {
    this.openDatabase ??= await memoryDatabaseFactory();
    this.#life = { isAlive: true };
    this.store = new LogStore({
      files: this.files,
      clock: mortal(this.clock, this.#life),
      logger: silentLogger,
      openDatabase: this.openDatabase,
      databaseFolder: undefined,
      folder: '/store',
      flush: 'sync',
      segmentSizeBytes: 64 << 10,
      retentionMs: 3_600_000,
      minFreeBytes: 0,
      storeHost: localHost,
      ...this.#options,
      tuning: {
        allocateStepMinBytes: 8 << 10,
        allocateStepMaxBytes: 16 << 10,
        ...this.#options.tuning,
      },
    });
    this.prepare(this.store);
    this.report = await this.store.start();
    return this;
  }

  async restart(): Promise<this> {
    await this.store.stop();
    return await this.start();
  }

  /** The process dies; what was written stays. Needs `UnlockedFiles`. */
  async crash(): Promise<this> {
    await settle();
    this.#life.isAlive = false;
    return await this.start();
  }

  /** The database is gone. */
  async restartWithoutIndex(): Promise<this> {
    await this.store.stop();
    this.openDatabase = undefined;
    return await this.start();
  }

  /** As `restartWithoutIndex`, of a store that has been stopped. */
  async restartWithoutIndexWhenStopped(): Promise<this> {
    this.openDatabase = undefined;
    return await this.start();
  }

  append(...drafts: MessageDraft[]): Promise<readonly Appended[]> {
    return new Promise((resolve, reject) => {
      this.store.append(drafts, (result) => {
        if (result instanceof Error) reject(result);
        else resolve(result);
      });
    });
  }

  /** Bodies of all messages of a queue, through the index. */
  async bodies(topic: string, queueId: number): Promise<string[]> {
    return (await this.messages(topic, queueId)).map((message) => String(message?.body));
  }

  async messages(topic: string, queueId: number): Promise<(StoredMessage | undefined)[]> {
    const queue = this.store.queue(topic, queueId);
    const found: (StoredMessage | undefined)[] = [];
    for (let from = queue.minOffset; from < queue.maxOffset; ) {
      const read = await this.#read(topic, queueId, from);
      if (read.length === 0) throw new Error(`no entry at offset ${from}`);
      found.push(...read);
      from = (from + read.length) as typeof from; // offsets of this queue
    }
    return found;
  }

  #read(
    topic: string,
    queueId: number,
    from: number,
  ): Promise<readonly (StoredMessage | undefined)[]> {
    const queue = this.store.queue(topic, queueId);
    return new Promise((resolve, reject) => {
      this.store.readEntries(queue, from as typeof queue.minOffset, 100, (entries) => {
        if (entries instanceof Error) return reject(entries);
        this.store.readMessages(entries, (messages) => {
          if (messages instanceof Error) reject(messages);
          else resolve(messages);
        });
      });
    });
  }

  /** Names of the segment files, oldest first. */
  segments(): Promise<string[]> {
    return this.files.list('/store/commitlog');
  }

  /** Overwrites bytes of the log at a physical offset. */
  async damage(physicalOffset: number, bytes: Uint8Array): Promise<void> {
    const names = await this.segments();
    const name = names.filter((one) => Number(one) <= physicalOffset).pop();
    if (name === undefined) throw new Error(`no segment holds ${physicalOffset}`);
    const file = await this.files.open(`/store/commitlog/${name}`, { create: false });
    await file.write(bytes, physicalOffset - Number(name));
  }
}
