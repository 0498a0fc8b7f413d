/** How far long work on a store is, on stderr: a bar that redraws itself on a terminal, a line now and then elsewhere. */
import type { Context } from '../shared/context.ts';

const redrawMs = 200;
const lineMs = 10_000;
const barSize = 24;

export interface Progress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** `tell` may be called often; `end` leaves the terminal's line free. Work under a second shows nothing. */
export function progressOf(
  { stderr, clock }: Context,
  what: string,
): { tell(progress: Progress): void; end(): void } {
  const beganMs = clock.monotonicMs();
  let shownMs = beganMs + 1_000 - redrawMs;
  let isShown = false;
  return {
    tell: ({ doneBytes, totalBytes }) => {
      const nowMs = clock.monotonicMs();
      if (nowMs - shownMs < (stderr.isTerminal ? redrawMs : lineMs)) return;
      shownMs = nowMs;
      const part = totalBytes === 0 ? 1 : doneBytes / totalBytes;
      const percent = `${Math.floor(part * 100)} %`;
      const filled = Math.round(part * barSize);
      const bar = '#'.repeat(filled) + '.'.repeat(barSize - filled);
      isShown = stderr.isTerminal;
      void stderr.write(isShown ? `\r${what} ${bar} ${percent} ` : `${what}: ${percent}\n`);
    },
    end: () => {
      if (isShown) void stderr.write(`\r${' '.repeat(what.length + barSize + 8)}\r`);
    },
  };
}
