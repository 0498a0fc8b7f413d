/**
 * Makes a failing run short: keeps what its seed drew, and tries smaller numbers and fewer kinds of trouble,
 * each with a few salts (another run of the same configuration), as long as it fails in the same way with
 * fewer events. The result is the seed and what to override, so it can be repeated.
 */
import { noFaults } from './faults.ts';

/** What a shrinking needs of a run. */
export interface Shrinkable {
  readonly config: object;
  readonly eventCount: number;
  run(): Promise<unknown>;
}

export type AnyOverrides = Readonly<Record<string, unknown>>;

export interface Shrunk {
  readonly overrides: AnyOverrides;
  readonly failure: string;
  readonly eventCount: number;
  readonly runCount: number;
}

const saltCount = 6;

/** Undefined when the run does not fail. At most `runCountMax` runs. */
export async function shrink(
  make: (overrides: AnyOverrides) => Shrinkable,
  runCountMax: number,
  begin: AnyOverrides = {},
): Promise<Shrunk | undefined> {
  const first = await outcomeOf(make(begin));
  if (first === undefined) return undefined;
  let best: Shrunk = { ...first, overrides: begin, runCount: 1 };
  let runCount = 1;
  const isSameWay = ({ failure }: { readonly failure: string }): boolean =>
    wayOf(failure) === wayOf(first.failure);
  search: for (;;) {
    for (const candidate of candidatesOf(make(best.overrides).config)) {
      for (let salt = 0; salt <= saltCount; salt += 1) {
        if (runCount >= runCountMax) break search;
        const overrides = { ...best.overrides, ...candidate, ...(salt === 0 ? {} : { salt }) };
        const outcome = await outcomeOf(make(overrides));
        runCount += 1;
        if (outcome === undefined || !isSameWay(outcome)) continue;
        if (outcome.eventCount > best.eventCount) continue;
        best = { ...outcome, overrides, runCount };
        continue search;
      }
    }
    break;
  }
  return { ...best, runCount };
}

async function outcomeOf(
  run: Shrinkable,
): Promise<{ readonly failure: string; readonly eventCount: number } | undefined> {
  try {
    await run.run();
    return undefined;
  } catch (error) {
    return { failure: String(error), eventCount: run.eventCount };
  }
}

/** Two failures are of one way when their words are the same. */
function wayOf(failure: string): string {
  return failure.replaceAll(/\d+/g, '#');
}

/** Changes of one setting each that make a run simpler, the boldest first. */
function candidatesOf(config: object): AnyOverrides[] {
  const candidates: AnyOverrides[] = [];
  for (const [name, value] of Object.entries(config) as [string, unknown][]) {
    if (name === 'faults') candidates.push(...calmer(value as typeof noFaults));
    else if (value === true) candidates.push({ [name]: false });
    else if (name.endsWith('Count')) candidates.push(...smaller(name, value as number, 1));
    else if (name === 'messageCountMax')
      candidates.push(...smaller(name, Math.min(value as number, 512), 1));
    else if (name === 'forgets' && value !== 0) candidates.push({ forgets: 0 });
    else if (name === 'largestBodyBytes' && value !== 200) candidates.push({ [name]: 200 });
  }
  return candidates;
}

function smaller(name: string, value: number, least: number): AnyOverrides[] {
  const tries = [least, least * 4, 16, 64, Math.floor(value / 2), value - 1];
  return [...new Set(tries)]
    .filter((one) => one >= least && one < value)
    .map((one) => ({ [name]: one }));
}

function calmer(faults: typeof noFaults): AnyOverrides[] {
  const tries: AnyOverrides[] = [];
  const isCalm = Object.values(faults).every((rate: number) => rate === 0);
  if (!isCalm) tries.push({ faults: noFaults });
  for (const [name, rate] of Object.entries(faults)) {
    if (rate !== 0) tries.push({ faults: { ...faults, [name]: 0 } });
  }
  return tries;
}
