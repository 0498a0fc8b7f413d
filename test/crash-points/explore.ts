/**
 * Takes a recorded workload apart: at each place of its journal every image that a crash can leave is opened and
 * checked, and of each opening the same again, since a machine may crash while it recovers.
 */
import type { SimRandom } from '../sim/random.ts';
import { check } from '../sim/store-model.ts';
import { CrashHistory, choices, imageCount, nameOf } from './images.ts';
import { emptyImage, type Image, JournalDisk, type PlantedInDisk } from './journal.ts';
import { folder, type Promised, verify } from './promises.ts';
import { type Flush, makeStore, Recording } from './workload.ts';

export interface Limits {
  /** Images of one place in the journal; when there are more, a sample. */
  readonly imagesOfPlace: number;
  /** Openings that are taken apart in turn, one of so many; 0: none. */
  readonly recoveriesOneOf: number;
  /** Images of one place within a recovery. */
  readonly imagesOfRecovery: number;
  /** Places of the journal that are looked at, one of so many. */
  readonly placesOneOf: number;
}

export interface Count {
  images: number;
  inRecovery: number;
  /** Places where not all images were looked at. */
  sampledPlaces: number;
}

export class PromiseBroken extends Error {
  override name = 'PromiseBroken';
}

interface Found {
  readonly image: Image;
  readonly promised: Promised;
  readonly nowMs: number;
  readonly flush: Flush;
}

/** @throws PromiseBroken saying where and how. */
export async function explore(
  workload: string,
  options: {
    readonly flush: Flush;
    readonly limits: Limits;
    readonly random: SimRandom;
    readonly count: Count;
    readonly planted?: PlantedInDisk;
  },
): Promise<void> {
  const { limits, random, count } = options;
  const recording = await record(workload, options);
  const { journal } = recording.disk;
  const history = new CrashHistory(recording.image);
  for (let at = 0; at <= journal.length; at++) {
    if (at > 0) history.follow(journal[at - 1] as (typeof journal)[0]); // at <= length
    const previous = journal[at - 1]?.kind;
    if (at < recording.beginAt) continue;
    if (previous === 'note' && at < journal.length) continue;
    if (limits.placesOneOf > 1 && random.below(limits.placesOneOf) > 0) continue;
    await exploreAt(recording, history, at, { limits, random, count, workload });
  }
}

/** Runs the parts of a workload, each on what a crash by chance leaves of the one before. */
async function record(
  workload: string,
  options: { readonly flush: Flush; readonly random: SimRandom; readonly planted?: PlantedInDisk },
): Promise<Recording> {
  const { flush, random, planted } = options;
  const [first = '', ...more] = workload.split('|');
  let recording = await new Recording(emptyImage, flush, planted).run(first);
  for (const part of more) {
    const { journal } = recording.disk;
    const history = new CrashHistory(recording.image);
    const at = random.between(recording.beginAt, journal.length);
    for (const change of journal.slice(0, at)) history.follow(change);
    const dimensions = history.dimensions();
    const choice = dimensions.map((one) => random.below(one.optionCount));
    const image = history.build(choice);
    const isNewest = choice.every(
      (one, index) => one === (dimensions[index]?.optionCount ?? 0) - 1,
    );
    const promised = promisedAt(recording, at, isNewest ? undefined : syncedEnd(history, image));
    recording = await new Recording(image, flush, planted).runAfter(promised, recording, part);
  }
  return recording;
}

/** `syncedOffset`: up to where the log is on the disk; undefined when nothing is lost. */
function promisedAt(
  { sent, said, expired, flush }: Recording,
  at: number,
  syncedOffset: number | undefined,
): Promised {
  const expiredOffset = Math.max(
    0,
    ...expired.filter((one) => one.at <= at).map((one) => one.offset),
  );
  const keptOffset = flush === 'sync' ? undefined : syncedOffset;
  return { sent, said, at, keptOffset: keptOffset ?? Number.MAX_SAFE_INTEGER, expiredOffset };
}

async function exploreAt(
  recording: Recording,
  history: CrashHistory,
  at: number,
  options: {
    readonly limits: Limits;
    readonly random: SimRandom;
    readonly count: Count;
    readonly workload: string;
  },
): Promise<void> {
  const { limits, random, count, workload } = options;
  const dimensions = history.dimensions();
  if (imageCount(dimensions) > limits.imagesOfPlace) count.sampledPlaces++;
  const names = new Set<string>();
  for (const choice of choices(dimensions, limits.imagesOfPlace, random)) {
    const image = history.build(choice);
    const name = nameOf(image);
    if (names.has(name)) continue;
    names.add(name);
    const isNewest = choice.every(
      (one, index) => one === (dimensions[index]?.optionCount ?? 0) - 1,
    );
    const { flush, nowMs } = recording;
    const promised = promisedAt(recording, at, isNewest ? undefined : syncedEnd(history, image));
    try {
      await checkImage({ image, promised, nowMs, flush }, { limits, random, count });
    } catch (error) {
      const open = dimensions.map(({ what }, index) => `${what}: ${choice[index]}`).join(', ');
      const reason = error instanceof Error ? error.message : String(error);
      throw new PromiseBroken(
        `${workload} (flush ${flush}), crash at place ${at} of ${recording.disk.journal.length}: ${reason}\n  ${open}`,
        { cause: error },
      );
    }
  }
}

/** Up to where the log is surely on the disk: a segment is synced before the next one is written to. */
function syncedEnd(history: CrashHistory, image: Image): number {
  let end = 0;
  for (const path of [...image.files.keys()].sort()) {
    const base = Number(path.slice(`${folder}/commitlog/`.length));
    const synced = history.syncedEnd(path);
    if (synced > 0) end = base + synced;
  }
  return end;
}

async function checkImage(
  { image, promised, nowMs, flush }: Found,
  options: { readonly limits: Limits; readonly random: SimRandom; readonly count: Count },
  shownBefore?: ReadonlyMap<number, unknown>,
): Promise<void> {
  const { limits, random, count } = options;
  count.images++;
  const disk = new JournalDisk(image);
  const opened = makeStore(disk, { flush, nowMs });
  await opened.store.start();
  const recoveredAt = disk.journal.length;
  const shown = await verify(opened.store, opened.tally, promised);
  opened.clock.isAlive = false;
  for (const number of shownBefore?.keys() ?? []) {
    check(shown.has(number), `message ${number} was shown, and is gone after the next crash`);
  }
  if (limits.recoveriesOneOf === 0 || random.below(limits.recoveriesOneOf) > 0) return;
  const history = new CrashHistory(image);
  for (let at = 1; at <= recoveredAt; at++) {
    history.follow(disk.journal[at - 1] as (typeof disk.journal)[0]); // at <= length
    for (const choice of choices(history.dimensions(), limits.imagesOfRecovery, random)) {
      count.inRecovery++;
      const again = history.build(choice);
      try {
        await checkImage(
          { image: again, promised, nowMs, flush },
          { limits: { ...limits, recoveriesOneOf: 0 }, random, count },
          at === recoveredAt ? shown : undefined,
        );
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(`recovery cut short at place ${at} of ${recoveredAt}: ${reason}`, {
          cause: error,
        });
      }
    }
  }
}
