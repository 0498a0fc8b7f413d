/**
 * The segments that the log had when the database was last written, in the database: so a file that somebody
 * deleted is missed at the next start, without reading the log. State key: `store/segments`, JSON.
 */
import type { StateBatch, StateSource } from '../message-store.ts';
import type { Segment } from './segment.ts';

export const segmentsKey = 'store/segments';

export class SegmentList implements StateSource {
  readonly #segments: readonly Segment[];
  #written = '';
  /** Bases of the segments that were there before. */
  #before: readonly number[] = [];

  /** `segments`: the log's own list, oldest first. */
  constructor(segments: readonly Segment[]) {
    this.#segments = segments;
  }

  /** What the database says; something unreadable says nothing. */
  restore(value: Uint8Array): void {
    try {
      const bases: unknown = JSON.parse(Buffer.from(value).toString('utf8'));
      if (Array.isArray(bases)) this.#before = bases.filter((base) => Number.isSafeInteger(base));
    } catch {
      // Nothing is missed then.
    }
  }

  /** Where segments began that are not there any more, at whatever place. */
  missing(): number[] {
    const present = new Set(this.#segments.map((segment) => segment.baseOffset));
    return this.#before.filter((base) => !present.has(base));
  }

  collect(batch: StateBatch): void {
    const text = JSON.stringify(this.#segments.map((segment) => segment.baseOffset));
    if (text === this.#written) return;
    this.#written = text;
    batch.put(segmentsKey, Buffer.from(text));
  }
}
