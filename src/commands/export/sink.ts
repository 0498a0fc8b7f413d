/** Where exports go: stdout, or a file that was not there before. */
import { NodeFiles } from '../../platform/node-files.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { Column, Flag } from '../shared/command.ts';
import type { Context } from '../shared/context.ts';

export interface ExportOptions {
  readonly file?: string;
  readonly replace: boolean;
  readonly dryRun: boolean;
}

/** Printed when the lines went to a file, or nowhere. */
export interface ExportRow {
  readonly kind: 'topic' | 'group' | 'offset' | 'message';
  readonly count: number;
  readonly file: string | undefined;
  readonly isDryRun: boolean;
}

export const exportColumns: readonly Column<ExportRow>[] = [
  { title: 'KIND', value: (row) => row.kind },
  { title: 'COUNT', value: (row) => row.count },
  { title: 'FILE', value: (row) => (row.isDryRun ? 'none, dry run' : row.file) },
];

export const exportFlags: readonly Flag[] = [
  {
    name: 'file',
    short: 'f',
    kind: { type: 'text', placeholder: 'FILE' },
    description: 'write to this file',
    shownDefault: 'stdout',
  },
  {
    name: 'replace',
    kind: { type: 'boolean' },
    default: 'false',
    description: 'write over a file that is there',
  },
  {
    name: 'dry-run',
    kind: { type: 'boolean' },
    default: 'false',
    description: 'count, write nothing',
  },
];

const pieceSize = 256 << 10;

/** Takes one object a line. `end` before the command does. */
export class Sink {
  readonly #context: Context;
  readonly #file: string | undefined;
  readonly #isDryRun: boolean;
  #pending = '';
  #count = 0;

  private constructor(context: Context, { file, dryRun }: ExportOptions) {
    this.#context = context;
    this.#file = file;
    this.#isDryRun = dryRun;
  }

  /** @throws RmqError USAGE when the file is there already. */
  static async open(context: Context, options: ExportOptions): Promise<Sink> {
    const { file, replace, dryRun } = options;
    if (file !== undefined && !dryRun) {
      if (!replace && (await isThere(file))) {
        throw new RmqError('USAGE', `${file} is there already`, {
          hint: '--replace writes over it',
        });
      }
      await context.host.writeFile(file, '');
    }
    return new Sink(context, options);
  }

  get count(): number {
    return this.#count;
  }

  async write(line: object): Promise<void> {
    this.#count++;
    if (this.#isDryRun) return;
    this.#pending += `${JSON.stringify(line)}\n`;
    if (this.#pending.length >= pieceSize) await this.#flush();
  }

  async #flush(): Promise<void> {
    const text = this.#pending;
    this.#pending = '';
    if (text === '') return;
    if (this.#file === undefined) await this.#context.stdout.write(text);
    else await this.#context.host.appendFile(this.#file, text);
  }

  /** @returns the row to print; nothing when stdout has the lines themselves. */
  async end(kind: ExportRow['kind']): Promise<ExportRow | undefined> {
    await this.#flush();
    if (this.#file === undefined && !this.#isDryRun) return undefined;
    return { kind, count: this.#count, file: this.#file, isDryRun: this.#isDryRun };
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await new NodeFiles().stat(path);
    return true;
  } catch {
    return false; // What else is wrong with it, writing says.
  }
}
