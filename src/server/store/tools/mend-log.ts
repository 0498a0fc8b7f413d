/**
 * Gives records back to the log of a store that nobody uses: those that `mend-record.ts` can tell. What stood there
 * is kept beside, `<folder>/mended/<physical offset>`. Each is written at its place and synced; stopped at
 * any time, the rest is found again.
 */
import type { Files } from '../../../platform/files.ts';
import { readCleanStop } from '../clean-stop.ts';
import { ForeignChecksums } from '../log/foreign-checksums.ts';
import type { LogHole } from '../log/segment-walk.ts';
import type { TellProgress } from '../options.ts';
import { readOrigin } from '../origin.ts';
import { readIndex } from './index-rows.ts';
import { mendRecord } from './mend-record.ts';
import { segmentNames, verifyLog } from './verify-log.ts';

const holeSizeMax = 8 << 20;

export interface MendedLog {
  readonly mended: readonly LogHole[];
  /** Nobody can tell what stood there. */
  readonly lost: readonly LogHole[];
}

export async function mendLog(
  files: Files,
  folder: string,
  options: {
    readonly isDryRun: boolean;
    readonly progress?: TellProgress;
  },
): Promise<MendedLog> {
  const holes: LogHole[] = [];
  const note = await readCleanStop(files, folder);
  const index = await readIndex(files, folder);
  const noted = note === undefined || note === 'damaged' ? 0 : note.endOffset;
  const keptOffset = Math.max(noted, index?.keptOffset ?? 0);
  const { progress } = options;
  const origin = await readOrigin(files, folder);
  const foreign =
    origin === undefined ? undefined : new ForeignChecksums(files, folder, origin.endOffset);
  const verify = verifyLog(files, folder, {
    keptOffset,
    foreign,
    hole: (hole) => holes.push(hole),
    ...(progress === undefined ? {} : { progress }),
  });
  for await (const _ of verify); // The holes are what is wanted.
  const mended: LogHole[] = [];
  const lost: LogHole[] = [];
  for (const hole of holes) {
    const isMended = await mendHole(files, folder, hole, options.isDryRun);
    (isMended ? mended : lost).push(hole);
  }
  return { mended, lost };
}

async function mendHole(
  files: Files,
  folder: string,
  { beginOffset, endOffset }: LogHole,
  isDryRun: boolean,
): Promise<boolean> {
  const size = endOffset - beginOffset;
  if (size > holeSizeMax) return false;
  const log = `${folder}/commitlog`;
  const names = await segmentNames(files, log, folder);
  const name = names.findLast((one) => Number(one) <= beginOffset);
  if (name === undefined) return false;
  const file = await files.open(`${log}/${name}`, { create: false });
  try {
    const damaged = Buffer.alloc(size);
    const at = beginOffset - Number(name);
    if ((await file.read(damaged, 0, size, at)) < size) return false;
    const whole = mendRecord(damaged, beginOffset);
    if (whole === undefined) return false;
    if (isDryRun) return true;
    await files.makeFolder(`${folder}/mended`);
    await files.replaceFile(`${folder}/mended/${beginOffset}`, damaged);
    await file.write(whole, at);
    await file.datasync();
    return true;
  } finally {
    await file.close();
  }
}
