/** `rmq` on a terminal, against a server, until the test is over. */
import { onTestFinished } from 'vitest';
import type { Rmq } from '../../src/index.ts';
import { rmqExecutable, Terminal, type TerminalOptions } from '../support/tmux.ts';

export async function openRmq(
  server: Rmq,
  args: readonly string[],
  options: TerminalOptions,
): Promise<Terminal> {
  const terminal = await Terminal.start([process.execPath, rmqExecutable, ...args], {
    ...options,
    env: { RMQ_NAMESRV: server.endpoints.namesrv, ...options.env },
  });
  onTestFinished(() => terminal.close());
  return terminal;
}
