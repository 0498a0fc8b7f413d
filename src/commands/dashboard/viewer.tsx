/** The dashboard on the terminal. Loaded lazily, for React and Ink come with it. */
import { type ReactElement, useEffect, useState } from 'react';
import type { HostTerminal } from '../../platform/host.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { Context } from '../shared/context.ts';
import { openViewer } from '../tail/open-viewer.ts';
import { copySequence } from '../terminal/clipboard.ts';
import { Rows, useKeys, useScreenSize } from '../terminal/components.tsx';
import { Draws } from '../terminal/draws.ts';
import { showScreen } from '../terminal/screen.tsx';
import { Theme } from '../terminal/theme.ts';
import { actionsOf } from './actions.ts';
import { DashboardController, type DashboardPorts } from './controller.ts';
import { frameOf } from './frame.ts';
import { ClusterSampler } from './sampler.ts';
import type { Place } from './view.ts';

/** Messages of a topic that are there already when its viewer opens. */
const lastCount = 200;

export interface DashboardOptions {
  readonly place: Place;
  readonly intervalMs: number;
  /** Which cluster, for people. */
  readonly cluster: string;
}

/** Shows the dashboard until it is left. @throws RmqError when there is no cluster; INTERRUPTED after a signal */
export async function dashboardViewer(
  context: Context,
  options: DashboardOptions,
  terminal: HostTerminal,
): Promise<void> {
  const draws = new Draws(context.clock);
  const leave = new AbortController();
  const signal = AbortSignal.any([context.signal, leave.signal]);
  const { intervalMs, cluster, place } = options;
  const sampler = await ClusterSampler.open(context, { intervalMs, changed: () => draws.later() });
  const ports = portsOf(context, sampler, terminal, draws, () => leave.abort());
  const controller = new DashboardController(sampler.state, ports, place);
  sampler.start();
  try {
    const theme = new Theme({ hasColor: context.stdout.hasColor });
    const view = <Screen controller={controller} theme={theme} draws={draws} cluster={cluster} />;
    await showScreen(view, { terminal, signal });
  } finally {
    controller.stop();
    sampler.stop();
    draws.stop();
  }
  if (context.signal.aborted) throw new RmqError('INTERRUPTED', 'interrupted');
}

function Screen(props: {
  readonly controller: DashboardController;
  readonly theme: Theme;
  readonly draws: Draws;
  readonly cluster: string;
}): ReactElement {
  const { controller, theme, draws, cluster } = props;
  const [, setVersion] = useState(0);
  const { columns, rows } = useScreenSize();
  useEffect(() => draws.onDraw(() => setVersion((version) => version + 1)), [draws]);
  useKeys((key) => controller.key(key));
  return <Rows rows={frameOf(controller, theme, { columns, rows, cluster })} />;
}

function portsOf(
  context: Context,
  sampler: ClusterSampler,
  terminal: HostTerminal,
  draws: Draws,
  quit: () => void,
): DashboardPorts {
  return {
    actions: actionsOf(context, sampler.state),
    nowMs: () => context.clock.nowMs(),
    focus: (focus) => sampler.focus(focus),
    refresh: () => sampler.refresh(),
    copy: (text) => {
      const sequence = copySequence(text, context.host.environment);
      if (sequence === undefined) return false;
      terminal.stdout.write(sequence);
      return true;
    },
    save: (path, text) => context.host.writeFile(path, text),
    openMessages: (topic, leave) =>
      openViewer(context, { topic: [topic], from: 'latest', last: lastCount, tag: '*' }, terminal, {
        quit: leave,
        changed: () => draws.soon(),
        arrived: () => draws.later(),
      }),
    quit,
    changed: () => draws.soon(),
  };
}
