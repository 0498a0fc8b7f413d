/** From the text of a setting or flag to its value: kinds, ranges, units. */
import { nearest } from './nearest.ts';

/** What a setting or a flag takes. */
export type ValueKind =
  | { readonly type: 'text'; readonly placeholder: string }
  | { readonly type: 'port' }
  | { readonly type: 'integer'; readonly min: number; readonly max: number }
  /** Bytes: 64MiB, 1GiB, 1048576. */
  | { readonly type: 'size'; readonly min: number; readonly max: number }
  /** Milliseconds: 500ms, 5s, 10m, 72h, 3d. */
  | { readonly type: 'duration'; readonly min: number; readonly max: number }
  | { readonly type: 'boolean' }
  | { readonly type: 'choice'; readonly choices: readonly string[] }
  | {
      readonly type: 'list';
      readonly placeholder: string;
      /** Empty: one value each time the flag is given. */
      readonly separator: string;
      readonly choices?: readonly string[];
    };

export type Value = string | number | boolean | readonly string[];

/** The text is not a value of that kind. The message has what was seen and what is allowed. */
export class ValueError extends Error {
  override name = 'ValueError';
  /** What was probably meant. */
  readonly meant: string | undefined;

  constructor(value: string, allowed: string, meant?: string) {
    super(`"${value}" is not allowed: ${allowed}`);
    this.meant = meant;
  }
}

/**
 * The value of `raw`, which is text (flag, environment) or what a config file had.
 * @throws ValueError
 */
export function parseValue(kind: ValueKind, raw: unknown): Value {
  const text = Array.isArray(raw) ? raw.map(String) : String(raw);
  if (kind.type === 'list') return parseList(kind, text);
  if (typeof text !== 'string') throw new ValueError(text.join(','), 'a single value');
  switch (kind.type) {
    case 'text':
      if (text === '') throw new ValueError(text, 'not empty');
      return text;
    case 'port':
      return parseInteger(text, 0, 65_535);
    case 'integer':
      return parseInteger(text, kind.min, kind.max);
    case 'boolean':
      return parseBoolean(text);
    case 'choice':
      return parseChoice(kind.choices, text);
    case 'size':
      return inRange(text, parseSize(text), kind, { example: 'such as 64MiB', unit: 'bytes' });
    case 'duration':
      return inRange(text, parseDuration(text), kind, {
        example: 'such as 500ms, 10s, 5m, 72h or 1d12h',
        unit: 'ms',
      });
  }
}

/** A duration such as `10s` or `1h30m` in milliseconds; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    sum += Number(count) * (durationUnits[unit ?? ''] ?? 0);
  }
  return sum;
}

const sizeUnits: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  kb: 1000,
  kib: 1024,
  m: 1024 ** 2,
  mb: 1000 ** 2,
  mib: 1024 ** 2,
  g: 1024 ** 3,
  gb: 1000 ** 3,
  gib: 1024 ** 3,
};

const durationUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

function parseSize(text: string): number | undefined {
  const [, count, unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim()) ?? [];
  const factor = sizeUnits[unit.toLowerCase()];
  return count === undefined || factor === undefined ? undefined : Number(count) * factor;
}

function inRange(
  text: string,
  value: number | undefined,
  range: { readonly min: number; readonly max: number },
  words: { readonly example: string; readonly unit: string },
): number {
  if (value === undefined) throw new ValueError(text, words.example);
  const whole = Math.round(value);
  if (whole >= range.min && whole <= range.max) return whole;
  throw new ValueError(text, `${range.min} to ${range.max} ${words.unit}`);
}

function parseInteger(text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw new ValueError(text, `${min} to ${max}`);
  return value;
}

function parseBoolean(text: string): boolean {
  if (['true', 'yes', 'on', '1'].includes(text.toLowerCase())) return true;
  if (['false', 'no', 'off', '0'].includes(text.toLowerCase())) return false;
  throw new ValueError(text, 'true or false');
}

function parseChoice(choices: readonly string[], text: string): string {
  if (choices.includes(text)) return text;
  throw new ValueError(text, choices.join(', '), nearest(text, choices));
}

function parseList(
  kind: Extract<ValueKind, { type: 'list' }>,
  raw: string | string[],
): readonly string[] {
  const parts = (typeof raw === 'string' ? [raw] : raw)
    .flatMap((part) => (kind.separator === '' ? [part] : part.split(kind.separator)))
    .map((part) => part.trim())
    .filter((part) => part !== '');
  if (parts.length === 0) throw new ValueError('', kind.choices?.join(', ') ?? kind.placeholder);
  const { choices } = kind;
  if (choices === undefined) return [...new Set(parts)];
  return [...new Set(parts.map((part) => parseChoice(choices, part)))];
}
