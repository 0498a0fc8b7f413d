/** A store on a real disk with LevelDB, written once, stopped in order, and copied for each case. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { nodeClock } from '../../src/platform/node-clock.ts';
import { NodeFiles } from '../../src/platform/node-files.ts';
import type { Logger } from '../../src/server/shared/logger.ts';
import { silentLogger } from '../../src/server/shared/logger.ts';
import { levelDatabaseFactory } from '../../src/server/store/index/level-database.ts';
import { LogStore } from '../../src/server/store/log-store.ts';
import type { Appended, StateBatch, StateSource } from '../../src/server/store/message-store.ts';
import { Tally } from '../crash-points/promises.ts';
import { makeDraft } from '../sim/payload.ts';
import type { SimRandom } from '../sim/random.ts';

export const topics = ['orders', 'payments', 'audit'];
const queueCount = 3;
const lifeCount = 4;
const messagesOfLife = 60;
const stateRowCount = 60;
const storeHost = { address: Buffer.from([127, 0, 0, 1]), port: 10_911 };

export interface Kept {
  readonly number: number;
  readonly topic: string;
  readonly queueId: number;
  readonly place: Appended;
}

export interface Fixture {
  readonly folder: string;
  readonly messages: readonly Kept[];
  /** Own state by key. */
  readonly state: ReadonlyMap<string, string>;
  /** Files by path below the folder, those that mean something. */
  readonly files: ReadonlyMap<string, Buffer>;
}

/** State of the broker: rows that are written now and then. */
export class Rows implements StateSource {
  readonly rows = new Map<string, string>();
  #dirty = new Set<string>();

  set(key: string, value: string): void {
    this.rows.set(key, value);
    this.#dirty.add(key);
  }

  collect(batch: StateBatch): void {
    for (const key of this.#dirty) batch.put(key, Buffer.from(this.rows.get(key) ?? ''));
    this.#dirty.clear();
  }
}

export interface OpenStore {
  readonly store: LogStore;
  readonly tally: Tally;
  readonly rows: Rows;
}

export async function makeStore(folder: string, logger: Logger = silentLogger): Promise<OpenStore> {
  const store = new LogStore({
    files: new NodeFiles(),
    clock: nodeClock,
    logger,
    openDatabase: await levelDatabaseFactory(`${folder}/index`),
    databaseFolder: `${folder}/index`,
    folder,
    flush: 'sync',
    segmentSizeBytes: 16 << 10,
    retentionMs: Number.MAX_SAFE_INTEGER,
    minFreeBytes: 0,
    storeHost,
    tuning: { allocateStepMinBytes: 4_096, allocateStepMaxBytes: 4_096, tailCacheBytes: 0 },
  });
  const tally = new Tally();
  const rows = new Rows();
  store.addDerivedState(tally);
  store.addStateSource(rows);
  return { store, tally, rows };
}

/** A folder in memory where there is one. */
export async function scratchFolder(): Promise<string> {
  const base = await readdir('/dev/shm').then(
    () => '/dev/shm',
    () => tmpdir(),
  );
  return await mkdtemp(`${base}/rmq-rot-`);
}

/** Writes the store in several lives, so that the database has tables and a log. */
export async function makeFixture(folder: string, random: SimRandom): Promise<Fixture> {
  const messages: Kept[] = [];
  const state = new Map<string, string>();
  for (let life = 0; life < lifeCount; life++) {
    const { store, rows } = await makeStore(folder);
    await store.start();
    for (let index = 0; index < messagesOfLife; index++) {
      messages.push(await append(store, messages.length, random));
      if (index % 3 > 0) continue;
      const key = `offset/${random.below(stateRowCount)}`;
      const value = `${life}-${index}-${'v'.repeat(random.below(60))}`;
      rows.set(key, value);
      state.set(key, value);
      if (index % 12 === 0) await store.writeStateNow();
    }
    await store.stop();
  }
  const files = new Map<string, Buffer>();
  for (const path of await readdir(folder, { recursive: true })) {
    const isMeaning =
      /^commitlog\/\d+$|^index\/(\d+\.(log|ldb)|MANIFEST-\d+|CURRENT)$|^stopped$/.test(path);
    if (isMeaning) files.set(path, await readFile(`${folder}/${path}`));
  }
  return { folder, messages, state, files };
}

function append(store: LogStore, number: number, random: SimRandom): Promise<Kept> {
  const topic = random.pick(topics);
  const queueId = random.below(queueCount);
  const draft = makeDraft({
    topic,
    queueId,
    number,
    bodySizeBytes: random.chance(0.1) ? random.between(600, 2_500) : random.between(8, 200),
    properties: { KEYS: `k${number}`, TAGS: `t${number % 5}` },
  });
  return new Promise((resolve, reject) => {
    store.append([draft], (result) => {
      const place = result instanceof Error ? undefined : result[0];
      if (place === undefined) reject(result instanceof Error ? result : new Error('no place'));
      else resolve({ number, topic, queueId, place });
    });
  });
}

export async function copyOf(fixture: Fixture, folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  for (const part of ['commitlog', 'index']) mkdirSync(`${folder}/${part}`, { recursive: true });
  // At once: in a hundred thousand cases it is what takes the time.
  for (const [path, content] of fixture.files) writeFileSync(`${folder}/${path}`, content);
}
