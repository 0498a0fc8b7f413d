/**
 * Headers of Remoting requests and answers: typed values from and to ext fields, described by a table
 * of fields. A mandatory field that is missing and a number that is none are BAD_REQUEST naming the
 * field; Apache's brokers would answer with the text of a Java exception (facts/remoting.md 0.12).
 */
import { RmqError } from '../../errors.ts';
import { type ExtFields, emptyFields } from '../command.ts';

/** One ext field: its name on the wire and how its text becomes a value. */
export interface Field<T> {
  readonly wireName: string;
  decode(text: string | undefined): T;
  /** undefined: the field is left out. */
  encode(value: T): string | undefined;
}

export interface HeaderCodec<T> {
  /** @throws RmqError BAD_REQUEST */
  decode(fields: ExtFields): T;
  encode(header: T): ExtFields;
}

// The values of a shape have different types; each is only ever used with its own field.
// oxlint-disable-next-line typescript/no-explicit-any
type Shape = Readonly<Record<string, Field<any>>>;
type HeaderOf<S extends Shape> = {
  readonly [K in keyof S]: S[K] extends Field<infer T> ? T : never;
};

/** A codec for the header that `shape` describes; properties come in the order of the shape. */
export function headerCodec<const S extends Shape>(shape: S): HeaderCodec<HeaderOf<S>> {
  const entries = Object.entries(shape);
  return {
    decode: (fields) => {
      const header: Record<string, unknown> = {};
      for (const [name, field] of entries) header[name] = field.decode(fields[field.wireName]);
      return header as HeaderOf<S>; // one property a field of the shape, by the loop above
    },
    encode: (header) => {
      const fields = emptyFields();
      for (const [name, field] of entries) {
        const text = field.encode(header[name]);
        if (text !== undefined) fields[field.wireName] = text;
      }
      return fields;
    },
  };
}

/** Text that must be there (it may be empty). */
export function text(wireName: string): Field<string> {
  return { wireName, decode: (value) => value ?? missing(wireName), encode: (value) => value };
}

/** Text; `fallback` when absent, and a value equal to it is still written. */
export function textOr(wireName: string, fallback: string): Field<string> {
  return { wireName, decode: (value) => value ?? fallback, encode: (value) => value };
}

/** Text that may be absent. */
export function optionalText(wireName: string): Field<string | undefined> {
  return { wireName, decode: (value) => value, encode: (value) => value };
}

/** A whole number that must be there, within 2^53 either side of 0. */
export function integer(wireName: string): Field<number> {
  return {
    wireName,
    decode: (value) => (value === undefined ? missing(wireName) : toInteger(wireName, value)),
    encode: String,
  };
}

/** A whole number; `fallback` when absent. */
export function integerOr(wireName: string, fallback: number): Field<number> {
  return {
    wireName,
    decode: (value) => (value === undefined ? fallback : toInteger(wireName, value)),
    encode: String,
  };
}

/** A whole number that may be absent. */
export function optionalInteger(wireName: string): Field<number | undefined> {
  return {
    wireName,
    decode: (value) => (value === undefined ? undefined : toInteger(wireName, value)),
    encode: (value) => (value === undefined ? undefined : String(value)),
  };
}

/** `true` in any case is true, everything else false, as Java reads it; `fallback` when absent. */
export function booleanOr(wireName: string, fallback: boolean): Field<boolean> {
  return {
    wireName,
    decode: (value) => {
      if (value === undefined) return fallback;
      return value === 'true' || (value !== 'false' && value.toLowerCase() === 'true');
    },
    encode: String,
  };
}

function toInteger(wireName: string, value: string): number {
  const small = smallInteger(value);
  if (small >= 0) return small;
  if (/^[+-]?\d{1,16}$/.test(value)) {
    const number = Number(value);
    if (Number.isSafeInteger(number)) return number;
  }
  throw new RmqError(
    'BAD_REQUEST',
    `header field ${wireName}: ${JSON.stringify(value.slice(0, 40))} is no whole number below 2^53`,
  );
}

/** A number of up to 15 digits; -1 for everything else. Nearly all are. */
function smallInteger(text: string): number {
  const size = text.length;
  if (size === 0 || size > 15) return -1;
  let number = 0;
  for (let index = 0; index < size; index++) {
    const digit = text.charCodeAt(index) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}

function missing(wireName: string): never {
  throw new RmqError('BAD_REQUEST', `header field ${wireName} is missing`);
}
