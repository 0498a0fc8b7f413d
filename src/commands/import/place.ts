/**
 * How far the import of a file came: a small file beside it, `FILE.import`, that is gone when all is done. It is
 * written once a second: after a kill, what was sent in the last second is sent again.
 */
import { NodeFiles } from '../../platform/node-files.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { Context } from '../shared/context.ts';
import { fileSize } from '../shared/file-lines.ts';

const intervalMs = 1_000;

export class ImportPlace {
  readonly #context: Context;
  readonly #source: string;
  readonly #path: string;
  readonly #files = new NodeFiles();
  #writtenMs: number;

  constructor(context: Context, source: string) {
    this.#context = context;
    this.#source = source;
    this.#path = `${source}.import`;
    this.#writtenMs = context.clock.monotonicMs();
  }

  /** Byte to go on at; undefined when nothing was begun. @throws RmqError USAGE when it is not of this file. */
  async read(): Promise<number | undefined> {
    let text: string;
    try {
      text = (await this.#files.readFile(this.#path)).toString('utf8');
    } catch {
      return undefined; // Nothing was begun.
    }
    const offset = Number(/^(\d+)\n$/.exec(text)?.[1] ?? Number.NaN);
    if (offset <= (await fileSize(this.#source))) return offset;
    throw new RmqError('USAGE', `${this.#path} is not of this ${this.#source}`, {
      hint: '--restart begins at the first line',
    });
  }

  async note(doneOffset: number): Promise<void> {
    if (this.#context.clock.monotonicMs() - this.#writtenMs >= intervalMs) {
      await this.write(doneOffset);
    }
  }

  async write(doneOffset: number): Promise<void> {
    if (doneOffset === 0) return;
    await this.#files.replaceFile(this.#path, Buffer.from(`${doneOffset}\n`));
    this.#writtenMs = this.#context.clock.monotonicMs();
  }

  async remove(): Promise<void> {
    await this.#files.remove(this.#path).catch(() => undefined); // It may never have been written.
  }
}
