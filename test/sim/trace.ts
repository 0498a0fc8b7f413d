/**
 * What happened in a run, as lines. The lines are hashed as they come, so that two runs of one seed
 * can be compared without keeping them; the newest are kept for the report of a failure.
 */

const keptLines = 200;

export class Trace {
  readonly #print: ((line: string) => void) | undefined;
  readonly #newest: string[] = [];
  #low = 0x811c9dc5;
  #high = 0x01234567;
  #lines = 0;

  constructor(print?: (line: string) => void) {
    this.#print = print;
  }

  /** One event; `atUs` is simulated time. */
  note(atUs: number, text: string): void {
    const line = `${(atUs / 1000).toFixed(3)} ${text}`;
    let low = this.#low;
    let high = this.#high;
    for (let i = 0; i < line.length; i += 1) {
      const code = line.charCodeAt(i);
      low = Math.imul(low ^ code, 0x01000193);
      high = Math.imul(high ^ (code + i), 0x85ebca6b);
    }
    this.#low = low;
    this.#high = high;
    this.#lines += 1;
    this.#print?.(line);
    if (this.#newest.length >= keptLines * 2) this.#newest.splice(0, keptLines);
    this.#newest.push(line);
  }

  /** 16 hex digits over all lines so far, and their number. */
  hash(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
    return `${hex(this.#low)}${hex(this.#high)}-${this.#lines}`;
  }

  /** The last lines, for a report. */
  tail(count: number): string[] {
    return this.#newest.slice(-count);
  }
}
