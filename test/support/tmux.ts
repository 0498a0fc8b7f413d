/** A terminal that a test can type into and read: tmux on a socket of its own. */
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The command, as packaged. */
export const rmqExecutable: string = fileURLToPath(new URL('../../bin/rmq.js', import.meta.url));

/** Whether this machine has tmux; tests of the terminal skip visibly without it. */
export const hasTmux: boolean = (() => {
  try {
    execFileSync('tmux', ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

export interface TerminalOptions {
  readonly columns: number;
  readonly rows: number;
  readonly env?: Readonly<Record<string, string>>;
}

export class Terminal {
  readonly #socket = `rmq-test-${process.pid}-${randomBytes(4).toString('hex')}`;

  /** Runs `argv` in a new terminal; behind it a line says how it ended: `ended 0`. */
  static async start(argv: readonly string[], options: TerminalOptions): Promise<Terminal> {
    const terminal = new Terminal();
    const env = Object.entries({ LANG: 'C.UTF-8', ...options.env }).map(([k, v]) => `${k}=${v}`);
    const quoted = [...env, ...argv].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
    const shell = `echo before; env -u NO_COLOR -u FORCE_COLOR ${quoted.join(' ')}; echo ended $?; exec cat`;
    await terminal.#tmux(
      ...['-f', '/dev/null', 'new-session', '-d'],
      ...['-x', String(options.columns), '-y', String(options.rows), shell],
    );
    return terminal;
  }

  async #tmux(...args: readonly string[]): Promise<string> {
    return (await run('tmux', ['-L', this.#socket, ...args])).stdout;
  }

  /** Presses keys by tmux's names: `j`, `Enter`, `C-d`, `PageUp`. */
  async press(...keys: readonly string[]): Promise<void> {
    await this.#tmux('send-keys', ...keys);
  }

  /** Types a text. */
  async type(text: string): Promise<void> {
    await this.#tmux('send-keys', '-l', text);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux('resize-window', '-x', String(columns), '-y', String(rows));
  }

  /** The rows of the screen; `withStyle`: with its escape sequences. */
  async rows(withStyle = false): Promise<string[]> {
    const text = await this.#tmux('capture-pane', '-p', ...(withStyle ? ['-e'] : []));
    return text.replace(/\n$/, '').split('\n');
  }

  /** Process of the shell in the terminal. */
  async pid(): Promise<number> {
    return Number(await this.#tmux('display-message', '-p', '#{pane_pid}'));
  }

  /** `#{alternate_on}` and such. */
  async state(format: string): Promise<string> {
    return (await this.#tmux('display-message', '-p', format)).trim();
  }

  /** The screen as soon as it fulfils `isReached`. @throws with the last screen when it never does */
  async until(
    isReached: (screen: string, rows: readonly string[]) => boolean,
    deadlineMs = 10_000,
  ): Promise<string[]> {
    const end = performance.now() + deadlineMs;
    for (;;) {
      const rows = await this.rows();
      if (isReached(rows.join('\n'), rows)) return rows;
      if (performance.now() > end) throw new Error(`the screen is still\n${rows.join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }

  /** Ends the terminal and all in it. */
  async close(): Promise<void> {
    await this.#tmux('kill-server').catch(() => undefined);
  }
}
