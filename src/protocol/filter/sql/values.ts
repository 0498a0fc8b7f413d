/**
 * Values of SQL92 filters and how they compare: Apache's rules, which are Java's; facts/broker.md 5.2,
 * 5.3. Properties are strings; whole-number literals are bigints, others numbers.
 */

/** `undefined`: SQL's null. */
export type SqlValue = string | bigint | number | boolean | undefined;

/** A value cannot be converted: the message does not match, whatever surrounds it. */
export class NoMatch extends Error {
  override name = 'NoMatch';
}

/** One for all: nobody looks at its stack. */
const noMatch = new NoMatch('a value cannot be converted');

const intMax = 2n ** 31n - 1n;
const longMax = 2n ** 63n - 1n;

/** Java's `Integer.parseInt` or `Long.parseLong`, by the literal it is compared with. */
function toInteger(text: string, literal: bigint): bigint {
  if (!/^[+-]?\d+$/.test(text)) throw noMatch;
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text);
  const max = isInt(literal) ? intMax : longMax;
  if (value > max || value < -max - 1n) throw noMatch;
  return value;
}

function isInt(value: bigint): boolean {
  return value <= intMax && value >= -intMax - 1n;
}

const doubleForm = /^[+-]?(?:NaN|Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fFdD]?)$/;

/** Java's `Double.parseDouble`. */
function toDouble(text: string): number {
  const trimmed = text.trim();
  if (!doubleForm.test(trimmed)) throw noMatch;
  return Number(trimmed.replace(/[fFdD]$/, ''));
}

/** Below, equal or above 0, as -1, 0, 1; NaN where doubles do not compare. */
export function order(left: SqlValue, right: SqlValue): number {
  if (typeof left === 'string' && typeof right === 'string') {
    return compare(toDouble(left), toDouble(right));
  }
  const [a, b] = converted(left, right);
  if (typeof a === 'string' || typeof b === 'string' || a === undefined || b === undefined) {
    throw noMatch;
  }
  if (typeof a === 'boolean' || typeof b === 'boolean') throw noMatch;
  return compare(a, b);
}

/** Equality of two values that are not null. */
export function isEqual(left: SqlValue, right: SqlValue): boolean {
  const [a, b] = converted(left, right);
  if (typeof a === 'number' || typeof b === 'number') {
    // A bigint and a number compare by value; anything else is not equal to a number.
    return isNumeric(a) && isNumeric(b) && compare(a, b) === 0;
  }
  return a === b;
}

function isNumeric(value: SqlValue): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

function compare(a: number | bigint, b: number | bigint): number {
  if (a < b) return -1;
  if (a > b) return 1;
  // oxlint-disable-next-line eslint/eqeqeq -- a bigint equals the number of the same value.
  return a == b ? 0 : Number.NaN;
}

/** A string beside another type takes that type. */
function converted(left: SqlValue, right: SqlValue): readonly [SqlValue, SqlValue] {
  if (typeof left === 'string' && typeof right !== 'string') return [convert(left, right), right];
  if (typeof right === 'string' && typeof left !== 'string') return [left, convert(right, left)];
  return [left, right];
}

function convert(text: string, like: SqlValue): SqlValue {
  switch (typeof like) {
    case 'bigint':
      return toInteger(text, like);
    case 'number':
      return toDouble(text);
    case 'boolean':
      return text.toLowerCase() === 'true';
    default:
      return text;
  }
}

/** As a condition: null stays null, what is no Boolean is false. */
export function asCondition(value: SqlValue): boolean | undefined {
  if (value === undefined) return undefined;
  return value === true;
}
