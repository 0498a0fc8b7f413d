/**
 * JSON as fastjson writes it: also bare integers and whole objects as keys, `{0:"a"}` and
 * `{{"topic":"t"}:{…}}`; facts/remoting.md 0.3. An object key becomes its own text in JSON.
 */
import { RmqError } from '../../errors.ts';

const depthMax = 64;

/** @throws RmqError BAD_REQUEST where it is no JSON even so. */
export function parseLenientJson(body: Uint8Array): unknown {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  try {
    return JSON.parse(text); // most bodies are plain JSON, and this is the fast way
  } catch {
    return new Parser(text).parse(); // not plain: the slow way says what is wrong
  }
}

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): unknown {
    const value = this.#value();
    this.#skipBlanks();
    if (this.#at < this.#text.length) this.#fail();
    return value;
  }

  #value(): unknown {
    this.#skipBlanks();
    const next = this.#text[this.#at];
    if (next === '{' || next === '[') {
      if (++this.#depth > depthMax) this.#fail();
      const value = next === '{' ? this.#object() : this.#list();
      this.#depth--;
      return value;
    }
    return this.#scalar(/"(?:[^"\\]|\\.)*"|[-+.\w]+/y);
  }

  #scalar(pattern: RegExp): unknown {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) this.#fail();
    this.#at += found.length;
    try {
      return JSON.parse(found);
    } catch {
      return this.#fail();
    }
  }

  #object(): Record<string, unknown> {
    const entries: [string, unknown][] = [];
    this.#at++;
    while (!this.#take('}')) {
      if (entries.length > 0 && !this.#take(',')) this.#fail();
      const key = this.#value();
      if (!this.#take(':')) this.#fail();
      entries.push([typeof key === 'object' ? JSON.stringify(key) : String(key), this.#value()]);
    }
    return Object.fromEntries(entries);
  }

  #list(): unknown[] {
    const items: unknown[] = [];
    this.#at++;
    while (!this.#take(']')) {
      if (items.length > 0 && !this.#take(',')) this.#fail();
      items.push(this.#value());
    }
    return items;
  }

  #take(wanted: string): boolean {
    this.#skipBlanks();
    if (this.#text[this.#at] !== wanted) return false;
    this.#at++;
    return true;
  }

  #skipBlanks(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++;
  }

  #fail(): never {
    throw new RmqError('BAD_REQUEST', `the body is no JSON at character ${this.#at}`);
  }
}
