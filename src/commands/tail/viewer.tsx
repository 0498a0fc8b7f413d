/** The viewer on the terminal: session, model, screen. Loaded lazily, for React and Ink come with it. */
import { type ReactElement, useEffect, useState } from 'react';
import { sendCopy } from '../../client/message-client.ts';
import type { Clock } from '../../platform/clock.ts';
import type { HostTerminal } from '../../platform/host.ts';
import { RmqError } from '../../protocol/errors.ts';
import { wayOf } from '../message/trace.ts';
import type { Context } from '../shared/context.ts';
import { messageRow } from '../shared/message-row.ts';
import { copySequence } from '../terminal/clipboard.ts';
import { useKeys, useScreenSize } from '../terminal/components.tsx';
import { showScreen } from '../terminal/screen.tsx';
import { Theme } from '../terminal/theme.ts';
import { TailController, type TailPorts } from './controller.ts';
import { feedModel } from './feed.ts';
import { TailModel } from './model.ts';
import { isOneTopic } from './selection.ts';
import { openSession, type TailOptions, type TailSession } from './session.ts';
import { TailView } from './TailView.tsx';

/** Between two draws for new messages; keys are drawn at once. */
const drawMs = 50;

/** Shows the viewer until it is left. @throws RmqError as `openSession`; INTERRUPTED after a signal */
export async function tailViewer(
  context: Context,
  options: TailOptions,
  terminal: HostTerminal,
): Promise<void> {
  let controller: TailController | undefined;
  const session = await openSession(context, options, {
    onTrouble: (text) => {
      if (controller !== undefined) controller.trouble = text;
    },
  });
  const draws = new Draws(context.clock);
  const leave = new AbortController();
  const signal = AbortSignal.any([context.signal, leave.signal]);
  const ports = portsOf(context, session, terminal, {
    quit: () => leave.abort(),
    changed: () => draws.soon(),
  });
  const { title, selection } = session;
  const model = new TailModel();
  controller = new TailController({ model, title, isOneTopic: isOneTopic(selection), ports });
  // From an earlier point on one reads from there; the rest waits at the brokers.
  if (session.isFromEarlier) controller.model.pause();
  void feedModel(session, controller, { clock: context.clock, changed: () => draws.later() });
  try {
    const theme = new Theme({ hasColor: context.stdout.hasColor });
    const view = <Screen controller={controller} theme={theme} draws={draws} />;
    await showScreen(view, { terminal, signal });
  } finally {
    session.stop();
    draws.stop();
  }
  if (context.signal.aborted) throw new RmqError('INTERRUPTED', 'interrupted');
}

function Screen(props: {
  readonly controller: TailController;
  readonly theme: Theme;
  readonly draws: Draws;
}): ReactElement {
  const { controller, theme, draws } = props;
  const [, setVersion] = useState(0);
  const { columns, rows } = useScreenSize();
  useEffect(() => draws.onDraw(() => setVersion((version) => version + 1)), [draws]);
  useKeys((key) => controller.key(key));
  return <TailView controller={controller} theme={theme} columns={columns} rows={rows} />;
}

/** When to draw: at once after a key, a little later after messages, at least once a second. */
class Draws {
  readonly #clock: Clock;
  #draw: (() => void) | undefined = undefined;
  #isAsked = false;
  #isStopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#tick();
  }

  onDraw(draw: () => void): () => void {
    this.#draw = draw;
    return () => {
      this.#draw = undefined;
    };
  }

  soon(): void {
    this.#draw?.();
  }

  later(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    this.#clock.setTimer(drawMs, () => {
      this.#isAsked = false;
      this.soon();
    });
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Rates grow old without messages, too. */
  #tick(): void {
    if (this.#isStopped) return;
    this.soon();
    this.#clock.setTimer(1_000, () => this.#tick());
  }
}

function portsOf(
  context: Context,
  { admin }: TailSession,
  terminal: HostTerminal,
  screen: Pick<TailPorts, 'quit' | 'changed'>,
): TailPorts {
  return {
    ...screen,
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
