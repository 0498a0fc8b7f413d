/** `rmq dashboard` */
import { formatHostPort } from '../platform/host-port.ts';
import { RmqError } from '../protocol/errors.ts';
import type { Place, ViewName } from './dashboard/view.ts';
import type { Command } from './shared/command.ts';
import type { Context } from './shared/context.ts';

interface Options {
  readonly view: ViewName;
  readonly topic?: string;
  readonly group?: string;
  readonly interval: number;
  readonly snapshot: boolean;
  readonly width?: number;
  readonly height?: number;
}

const viewChoices = ['overview', 'topics', 'groups', 'clients', 'dlq', 'pending', 'events'];

export const dashboard: Command<Options, object> = {
  summary: 'See a whole cluster live: machines, topics, groups, lag, dead letters, messages',
  impact: 'read',
  isRemote: true,
  isDraining: true,
  flags: [
    {
      name: 'view',
      kind: { type: 'choice', choices: viewChoices },
      default: 'overview',
      description: 'where to begin',
    },
    {
      name: 'topic',
      kind: { type: 'text', placeholder: 'NAME' },
      description: 'begin with this topic',
    },
    {
      name: 'group',
      kind: { type: 'text', placeholder: 'NAME' },
      description: 'begin with this consumer group',
    },
    {
      name: 'interval',
      kind: { type: 'duration', min: 250, max: 3_600_000 },
      default: '2s',
      description: 'how often the cluster is asked',
    },
    {
      name: 'snapshot',
      kind: { type: 'boolean' },
      default: 'false',
      description: 'print one frame and end',
    },
    {
      name: 'width',
      kind: { type: 'integer', min: 40, max: 500 },
      description: 'columns of the snapshot',
      shownDefault: "the terminal's",
    },
    {
      name: 'height',
      kind: { type: 'integer', min: 10, max: 10_000 },
      description: 'rows of the snapshot',
      shownDefault: '24',
    },
  ],
  columns: [],
  examples: [
    ['rmq dashboard', 'the cluster of 127.0.0.1:9876; ? shows the keys, q quits'],
    ['rmq dashboard --group billing', 'one group: its queues, lag, members'],
    ['rmq dashboard --snapshot --view topics --width 120 --height 60', 'one frame, for a report'],
  ],
  run: (context, options) => show(context, options),
};

async function show(context: Context, options: Options): Promise<undefined> {
  const { terminal } = context.host;
  const shown = {
    place: placeOf(options),
    intervalMs: options.interval,
    cluster: context.namesrv.addresses.map(formatHostPort).join(';'),
  };
  if (options.snapshot) {
    const { printSnapshot } = await import('./dashboard/snapshot.ts');
    const columns = options.width ?? context.stdout.columns;
    const rows = options.height ?? 24;
    await printSnapshot(context, { ...shown, columns, rows });
  } else if (terminal === undefined) {
    throw new RmqError('USAGE', 'the dashboard needs a terminal', {
      hint: 'rmq dashboard --snapshot prints one frame',
    });
  } else {
    const { dashboardViewer } = await import('./dashboard/viewer.tsx');
    await dashboardViewer(context, shown, terminal);
  }
  return undefined;
}

function placeOf({ view, topic, group }: Options): Place {
  if (topic !== undefined) return { view: 'topic', name: topic };
  return group === undefined ? { view } : { view: 'group', name: group };
}
