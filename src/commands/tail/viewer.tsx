/** The viewer on the terminal. Loaded lazily, for React and Ink come with it. */
import { type ReactElement, useEffect, useState } from 'react';
import type { HostTerminal } from '../../platform/host.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { Context } from '../shared/context.ts';
import { useKeys, useScreenSize } from '../terminal/components.tsx';
import { Draws } from '../terminal/draws.ts';
import { showScreen } from '../terminal/screen.tsx';
import { Theme } from '../terminal/theme.ts';
import type { TailController } from './controller.ts';
import { openViewer } from './open-viewer.ts';
import type { TailOptions } from './session.ts';
import { TailView } from './TailView.tsx';

/** Shows the viewer until it is left. @throws RmqError as `openSession`; INTERRUPTED after a signal */
export async function tailViewer(
  context: Context,
  options: TailOptions,
  terminal: HostTerminal,
): Promise<void> {
  const draws = new Draws(context.clock);
  const leave = new AbortController();
  const signal = AbortSignal.any([context.signal, leave.signal]);
  const viewer = await openViewer(context, options, terminal, {
    quit: () => leave.abort(),
    changed: () => draws.soon(),
    arrived: () => draws.later(),
  });
  try {
    const theme = new Theme({ hasColor: context.stdout.hasColor });
    const view = <Screen controller={viewer.controller} theme={theme} draws={draws} />;
    await showScreen(view, { terminal, signal });
  } finally {
    viewer.stop();
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
