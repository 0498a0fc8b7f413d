/** What rots: bits, sectors, ends of files, whole files. */
import { rm, writeFile } from 'node:fs/promises';
import type { SimRandom } from '../sim/random.ts';
import type { Fixture } from './fixture.ts';

const sectorBytes = 512;

export interface Damage {
  readonly kind: 'flip' | 'flips' | 'sector' | 'cut' | 'deleted';
  /** Below the store's folder. */
  readonly path: string;
  /** Bytes of the file that are not what they were, `end` not among them. */
  readonly ranges: readonly { readonly begin: number; readonly end: number }[];
  /** Undefined: the file is gone. */
  readonly content: Buffer | undefined;
}

/** Something that changes at least one byte. */
export function drawDamage(fixture: Fixture, random: SimRandom): Damage {
  const paths = [...fixture.files.keys()].sort();
  const part = random.pick(['commitlog/', 'commitlog/', 'commitlog/', 'index/', 'index/', '']);
  for (;;) {
    const path = random.pick(part === '' ? paths : paths.filter((one) => one.startsWith(part)));
    const content = fixture.files.get(path) ?? Buffer.alloc(0);
    if (content.length === 0) continue;
    const damage = drawIn(path, content, random);
    if (damage.content?.equals(content) !== true) return damage;
  }
}

function drawIn(path: string, content: Buffer, random: SimRandom): Damage {
  const roll = random.fraction();
  const changed = Buffer.from(content);
  if (roll < 0.6) {
    const count = roll < 0.45 ? 1 : random.between(2, 6);
    const ranges: { begin: number; end: number }[] = [];
    for (let index = 0; index < count; index++) {
      const at = random.below(content.length);
      changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
      ranges.push({ begin: at, end: at + 1 });
    }
    return { kind: count === 1 ? 'flip' : 'flips', path, ranges, content: changed };
  }
  if (roll < 0.82) {
    const begin = random.below(Math.ceil(content.length / sectorBytes)) * sectorBytes;
    const end = Math.min(content.length, begin + sectorBytes);
    changed.fill(0, begin, end);
    return { kind: 'sector', path, ranges: [{ begin, end }], content: changed };
  }
  if (roll < 0.97) {
    const begin = random.below(content.length);
    const ranges = [{ begin, end: content.length }];
    return { kind: 'cut', path, ranges, content: content.subarray(0, begin) };
  }
  return { kind: 'deleted', path, ranges: [{ begin: 0, end: content.length }], content: undefined };
}

export async function inflict(folder: string, damage: Damage): Promise<void> {
  const path = `${folder}/${damage.path}`;
  if (damage.content === undefined) await rm(path);
  else await writeFile(path, damage.content);
}
