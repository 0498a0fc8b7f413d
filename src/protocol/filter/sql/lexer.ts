/** Words of an SQL92 filter; facts/broker.md 5.1. Read one at a time: what follows the end may be anything. */
import { RmqError } from '../../errors.ts';

export type Token =
  | { readonly type: 'word'; readonly text: string; readonly at: number }
  | { readonly type: 'string'; readonly value: string; readonly at: number }
  | { readonly type: 'integer'; readonly value: bigint; readonly at: number }
  | { readonly type: 'double'; readonly value: number; readonly at: number }
  /** An operator or bracket. */
  | { readonly type: 'sign'; readonly text: string; readonly at: number }
  | { readonly type: 'end'; readonly at: number };

const blanks = /(?:\s+|--[^\n\r]*|\/\*[\s\S]*?\*\/)+/y;
const word = /[A-Za-z_$][A-Za-z0-9_$]*/y;
const double = /(?:\d+\.\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)/y;
const integer = /(?:0|[1-9]\d*[lL]?)/y;
const string = /'(?:[^']|'')*'/y;
const sign = /<>|<=|>=|[=<>(),+-]/y;

const longMax = 2n ** 63n - 1n;
const doubleMin = 4.9e-324;

/** An expression that cannot be used; `at`: the character, from 0. */
export function illegalFilter(problem: string, at: number): RmqError {
  return new RmqError('ILLEGAL_FILTER', `SQL92 filter: ${problem} at character ${at + 1}`);
}

export class Lexer {
  readonly #text: string;
  #at = 0;
  #peeked: Token | undefined = undefined;

  constructor(text: string) {
    this.#text = text;
  }

  /** The next token, not taken. @throws RmqError ILLEGAL_FILTER where no token begins. */
  peek(): Token {
    this.#peeked ??= this.#read();
    return this.#peeked;
  }

  /** Takes the next token. */
  take(): Token {
    const token = this.peek();
    this.#peeked = undefined;
    return token;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #read(): Token {
    this.#match(blanks);
    const at = this.#at;
    if (at >= this.#text.length) return { type: 'end', at };
    const name = this.#match(word);
    if (name !== undefined) return { type: 'word', text: name, at };
    const quoted = this.#match(string);
    if (quoted !== undefined) {
      return { type: 'string', value: quoted.slice(1, -1).replaceAll("''", "'"), at };
    }
    const float = this.#match(double);
    if (float !== undefined) return { type: 'double', value: doubleOf(float, at), at };
    const digits = this.#match(integer);
    if (digits !== undefined) return { type: 'integer', value: integerOf(digits, at), at };
    const operator = this.#match(sign);
    if (operator !== undefined) return { type: 'sign', text: operator, at };
    throw illegalFilter(`${JSON.stringify(this.#text[at])} is not allowed`, at);
  }
}

function doubleOf(text: string, at: number): number {
  const value = Number(text);
  if (value >= doubleMin && value <= Number.MAX_VALUE) return value;
  throw illegalFilter(`the number ${text} is out of range`, at);
}

function integerOf(text: string, at: number): bigint {
  const value = BigInt(text.replace(/[lL]$/, ''));
  if (value <= longMax) return value;
  throw illegalFilter(`the number ${text} is out of range`, at);
}
