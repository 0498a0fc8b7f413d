/**
 * A full screen on the terminal: drawn with Ink on the alternate screen, restored however it ends (quit,
 * error, SIGTERM, crash). Loaded lazily: React and Ink come with it.
 */
import { render } from 'ink';
import type { ReactElement } from 'react';
import type { HostTerminal } from '../../platform/host.ts';

/** Draws a second at most: a person sees no more, and each costs about 10 ms at 200×60. */
const drawsPerSecond = 20;

/** Shows `view` until it exits (`useApp().exit()`) or `signal` is aborted. @throws what it exits with. */
export async function showScreen(
  view: ReactElement,
  options: { readonly terminal: HostTerminal; readonly signal: AbortSignal },
): Promise<void> {
  const { terminal, signal } = options;
  if (signal.aborted) return;
  const app = render(view, {
    stdin: terminal.stdin,
    stdout: terminal.stdout,
    exitOnCtrlC: false,
    interactive: true,
    alternateScreen: true,
    incrementalRendering: true,
    // Lint sees to it that nobody writes to the console.
    patchConsole: false,
    maxFps: drawsPerSecond,
  });
  const leave = (): void => app.unmount();
  signal.addEventListener('abort', leave, { once: true });
  const forget = terminal.onCrash(leave);
  try {
    await app.waitUntilExit();
  } finally {
    signal.removeEventListener('abort', leave);
    forget();
  }
}
