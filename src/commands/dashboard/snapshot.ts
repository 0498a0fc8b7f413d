/** One frame of the dashboard as text, for scripts and reports. */
import type { Context } from '../shared/context.ts';
import { pause } from '../shared/progress.ts';
import { Theme } from '../terminal/theme.ts';
import { actionsOf } from './actions.ts';
import { DashboardController } from './controller.ts';
import { frameOf } from './frame.ts';
import { ClusterSampler } from './sampler.ts';
import type { DashboardOptions } from './viewer.tsx';

/** Asks the cluster twice, since rates need two samples, and writes what the screen would show. */
export async function printSnapshot(
  context: Context,
  options: DashboardOptions & { readonly columns: number; readonly rows: number },
): Promise<void> {
  const { intervalMs, place } = options;
  const sampler = await ClusterSampler.open(context, { intervalMs, changed() {} });
  try {
    const controller = new DashboardController(
      sampler.state,
      {
        actions: actionsOf(context, sampler.state),
        nowMs: () => context.clock.nowMs(),
        focus: (focus) => sampler.focus(focus),
        refresh() {},
        copy: () => false,
        save: () => Promise.resolve(),
        openMessages: () => Promise.reject(new Error('a snapshot has no keys')),
        quit() {},
        changed() {},
      },
      place,
    );
    const theme = new Theme({
      hasColor: context.stdout.hasColor,
      isPlain: !context.stdout.isTerminal,
    });
    const draw = (): string[] => frameOf(controller, theme, options);
    // The first frame says what is in sight, so that the next rounds ask for it.
    await sampler.tick();
    draw();
    await sampler.tick();
    await pause(context, intervalMs);
    await sampler.tick();
    const rows = draw().map((text) => text.trimEnd());
    await context.stdout.write(`${rows.join('\n').trimEnd()}\n`);
  } finally {
    sampler.stop();
  }
}
