/**
 * How far a mirror came: the next offset of each queue of the source, in a file that is replaced in one step once a
 * second. It never runs ahead of what the target keeps: after a kill, what was copied since is copied again.
 */
import { NodeFiles } from '../../platform/node-files.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { Context } from '../shared/context.ts';
import { userFolder } from '../shared/contexts.ts';

export interface StateOptions {
  /** NameServers of the source, HOST:PORT. */
  readonly from: readonly string[];
  readonly to: readonly string[];
  readonly folder: string | undefined;
  readonly isReadOnly: boolean;
}

const intervalMs = 1_000;

export class MirrorState {
  readonly #context: Context;
  readonly #options: StateOptions;
  readonly #folder: string;
  readonly #files = new NodeFiles();
  readonly #offsets = new Map<string, number>();
  #lock: { release(): Promise<void> } | undefined;
  #writtenMs = 0;
  #writing: Promise<void> | undefined;

  private constructor(context: Context, options: StateOptions) {
    const name = `${options.from.join(',')}-to-${options.to.join(',')}`.replaceAll(
      /[^\w.,-]/g,
      '_',
    );
    this.#context = context;
    this.#options = options;
    this.#folder = options.folder ?? `${userFolder(context.host, 'state')}/mirror/${name}`;
  }

  /** @throws RmqError DATA_DIR_IN_USE while another process uses it, USAGE when it is of other clusters. */
  static async open(context: Context, options: StateOptions): Promise<MirrorState> {
    const state = new MirrorState(context, options);
    if (!options.isReadOnly) {
      await state.#files.makeFolder(state.#folder);
      state.#lock = await state.#files.lockFolder(state.#folder);
    }
    try {
      await state.#read();
    } catch (error) {
      await state.close();
      throw error;
    }
    return state;
  }

  get #path(): string {
    return `${this.#folder}/offsets.json`;
  }

  async #read(): Promise<void> {
    let text: string;
    try {
      text = (await this.#files.readFile(this.#path)).toString('utf8');
    } catch (error) {
      if ((error as { readonly code?: unknown }).code === 'ENOENT') return;
      throw error;
    }
    const wrong = (why: string): RmqError =>
      new RmqError('USAGE', `${this.#path}: ${why}`, { hint: '--state names another folder' });
    let json: Partial<Record<'from' | 'to' | 'offsets', unknown>>;
    try {
      json = JSON.parse(text) as typeof json; // fields are checked below
    } catch (error) {
      throw wrong(`is damaged: ${String(error)}`);
    }
    const { from, to } = this.#options;
    if (JSON.stringify([json.from, json.to]) !== JSON.stringify([from, to])) {
      throw wrong(`is of a mirror from ${String(json.from)} to ${String(json.to)}`);
    }
    for (const [queue, offset] of Object.entries(json.offsets ?? {})) {
      if (!Number.isSafeInteger(offset)) throw wrong(`is damaged: ${queue}`);
      this.#offsets.set(queue, Number(offset));
    }
  }

  /** Next offset to copy; undefined: the queue was never copied. */
  get(queue: string): number | undefined {
    return this.#offsets.get(queue);
  }

  /** Everything before `offset` is kept by the target. */
  async set(queue: string, offset: number): Promise<void> {
    this.#offsets.set(queue, offset);
    if (this.#context.clock.monotonicMs() - this.#writtenMs >= intervalMs) await this.#write();
  }

  async #write(): Promise<void> {
    if (this.#options.isReadOnly) return;
    if (this.#writing !== undefined) return this.#writing;
    this.#writtenMs = this.#context.clock.monotonicMs();
    const { from, to } = this.#options;
    const text = `${JSON.stringify({ from, to, offsets: Object.fromEntries(this.#offsets) }, null, 2)}\n`;
    this.#writing = this.#files.replaceFile(this.#path, Buffer.from(text)).finally(() => {
      this.#writing = undefined;
    });
    await this.#writing;
  }

  /** Writes what is not written yet and lets others use it. */
  async close(): Promise<void> {
    try {
      await this.#writing;
      if (this.#offsets.size > 0) await this.#write();
    } finally {
      await this.#lock?.release();
      this.#lock = undefined;
    }
  }
}
