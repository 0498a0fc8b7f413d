/**
 * Tag expressions: `*` or empty for all, else tags joined by `||`; facts/broker.md §4. The index knows
 * a tag by its hash, so a match there is confirmed by the text of the message's tag.
 */
import { javaHashCode } from '../message/java-hash.ts';
import { findProperty } from '../message/properties.ts';
import type { MessageFilter } from './message-filter.ts';

export class TagFilter implements MessageFilter {
  /** undefined: everything matches. */
  readonly #tags: ReadonlySet<string> | undefined;
  readonly #hashes: ReadonlySet<number>;

  constructor(expression: string) {
    const parts = expression
      .split('||')
      .map((part) => part.trim())
      .filter((part) => part !== '');
    const isAll = parts.length === 0 || (parts.length === 1 && parts[0] === '*');
    this.#tags = isAll ? undefined : new Set(parts);
    this.#hashes = new Set(parts.map(javaHashCode));
  }

  get isAll(): boolean {
    return this.#tags === undefined;
  }

  /** False: the message with that hash is none of ours. True: its text decides. */
  mayMatch(tagsCode: number): boolean {
    return this.#tags === undefined || this.#hashes.has(tagsCode);
  }

  matches(properties: Uint8Array): boolean {
    if (this.#tags === undefined) return true;
    const tag = findProperty(properties, 'TAGS');
    return tag !== undefined && this.#tags.has(tag);
  }
}
