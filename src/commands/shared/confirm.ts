/** Asks before something goes for good. */
import { RmqError } from '../../protocol/errors.ts';
import type { Confirmation } from './command.ts';
import type { Context } from './context.ts';
import { paint } from './theme.ts';

/** @throws RmqError USAGE without a terminal, INTERRUPTED when the answer is another. */
export async function confirm(
  context: Context,
  { question, name }: Confirmation,
  path: readonly string[],
): Promise<void> {
  if (!context.stdin.isTerminal || !context.stderr.isTerminal) {
    throw new RmqError('USAGE', `${question}; without a terminal this needs --yes`, {
      hint: `rmq ${path.join(' ')} … --dry-run says what would happen`,
    });
  }
  await context.stderr.write(
    `${paint(context.stderr, 'warning', question)}.\nType ${paint(context.stderr, 'name', name)} to go on: `,
  );
  for await (const answer of context.stdin.lines()) {
    if (answer.trim() === name) return;
    break;
  }
  throw new RmqError('USAGE', 'not confirmed, nothing was changed');
}
