/** The viewer at work, without a screen: whoever shows it hands in keys and draws its rows. */
import { sendCopy } from '../../client/message-client.ts';
import type { HostTerminal } from '../../platform/host.ts';
import { wayOf } from '../message/trace.ts';
import type { Context } from '../shared/context.ts';
import { messageRow } from '../shared/message-row.ts';
import { copySequence } from '../terminal/clipboard.ts';
import { TailController, type TailPorts } from './controller.ts';
import { feedModel } from './feed.ts';
import { TailModel } from './model.ts';
import { isOneTopic } from './selection.ts';
import { openSession, type TailOptions, type TailSession } from './session.ts';

export interface OpenViewer {
  readonly controller: TailController;
  stop(): void;
}

export interface ViewerScreen extends Pick<TailPorts, 'quit' | 'changed'> {
  /** Messages have come: draw within a moment. */
  arrived(): void;
}

/** @throws RmqError as `openSession` */
export async function openViewer(
  context: Context,
  options: TailOptions,
  terminal: HostTerminal,
  screen: ViewerScreen,
): Promise<OpenViewer> {
  let controller: TailController | undefined;
  const session = await openSession(context, options, {
    onTrouble: (text) => {
      if (controller !== undefined) controller.trouble = text;
    },
  });
  const ports = portsOf(context, session, terminal, screen);
  const { title, selection } = session;
  const model = new TailModel();
  controller = new TailController({ model, title, isOneTopic: isOneTopic(selection), ports });
  // From an earlier point on one reads from there; the rest waits at the brokers.
  if (session.isFromEarlier) controller.model.pause();
  void feedModel(session, controller, { clock: context.clock, changed: () => screen.arrived() });
  return { controller, stop: () => session.stop() };
}

function portsOf(
  context: Context,
  { admin }: TailSession,
  terminal: HostTerminal,
  { quit, changed }: ViewerScreen,
): TailPorts {
  return {
    quit,
    changed,
    copy: (text) => {
      const sequence = copySequence(text, context.host.environment);
      if (sequence === undefined) return false;
      terminal.stdout.write(sequence);
      return true;
    },
    save: (path, entries) => {
      const lines = entries.map(
        ({ message, brokerName }) => `${JSON.stringify(messageRow(message, brokerName))}\n`,
      );
      return context.host.appendFile(path, lines.join(''));
    },
    resend: async (entries, topic) => {
      for (const { message } of entries) {
        const bornTimestampMs = context.clock.nowMs();
        await sendCopy(admin, message, { topic, isSameMessage: false, bornTimestampMs });
      }
    },
    trace: ({ message, brokerName }) => wayOf(admin, { message, brokerName }),
  };
}
