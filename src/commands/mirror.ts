/** `rmq mirror`: copies topics of another cluster into this one; docs/decisions/ says where its state is and why. */
import { parseHostPort } from '../platform/host-port.ts';
import { RmqError } from '../protocol/errors.ts';
import { Mirror } from './mirror/copy.ts';
import { MirrorState } from './mirror/state.ts';
import { ensureTarget } from './mirror/target.ts';
import type { Command } from './shared/command.ts';
import type { Context } from './shared/context.ts';
import { contextNamed, readContexts } from './shared/contexts.ts';
import { parseStartPoint } from './shared/times.ts';

interface Options {
  readonly topics: readonly string[];
  readonly from?: string;
  readonly start: string;
  readonly state?: string;
  readonly rate?: number;
  readonly follow: boolean;
  readonly unordered: boolean;
  readonly dryRun: boolean;
}

export interface MirrorRow {
  readonly topic: string;
  /** Of this run. */
  readonly copiedCount: number;
  /** Waiting in the source when it ended. */
  readonly remainingCount: number;
  /** Deleted by the source before they were copied. */
  readonly missedCount: number;
  readonly isDryRun: boolean;
}

export const mirror: Command<Options, MirrorRow> = {
  summary: 'Copy topics from another cluster into this one; goes on where it stopped',
  impact: 'change',
  isRemote: true,
  isDraining: true,
  arguments: [
    { name: 'topics', description: 'names of the topics', isRequired: true, isVariadic: true },
  ],
  flags: [
    {
      name: 'from',
      kind: { type: 'text', placeholder: 'CONTEXT|HOST:PORT' },
      description: 'the cluster to copy from: a context, or its NameServers',
    },
    {
      name: 'start',
      kind: { type: 'text', placeholder: 'POINT' },
      default: 'earliest',
      description: 'where the first run begins: earliest, latest, -15m or a time',
    },
    {
      name: 'follow',
      kind: { type: 'boolean' },
      default: 'false',
      description: 'go on with what comes, until Ctrl-C',
    },
    {
      name: 'rate',
      kind: { type: 'integer', min: 1, max: 1_000_000 },
      description: 'messages a second, at most',
    },
    {
      name: 'unordered',
      kind: { type: 'boolean' },
      default: 'false',
      description: 'faster: messages without a message group may overtake others of their queue',
    },
    {
      name: 'state',
      kind: { type: 'text', placeholder: 'DIR' },
      description: 'folder that remembers how far it came',
      shownDefault: "one for the two clusters, in the user's state folder",
    },
    {
      name: 'dry-run',
      kind: { type: 'boolean' },
      default: 'false',
      description: 'say what would be copied, change nothing',
    },
  ],
  columns: [
    { title: 'TOPIC', value: (row) => row.topic, style: () => 'name' },
    { title: 'COPIED', align: 'right', value: (row) => row.copiedCount },
    { title: 'REMAINING', align: 'right', value: (row) => row.remainingCount },
    { title: 'MISSED', align: 'right', value: (row) => row.missedCount },
  ],
  examples: [
    ['rmq mirror orders payments --from prod --context test', 'what is there, once'],
    ['rmq mirror orders --from 10.0.0.1:9876 --follow --rate 1000', 'and what comes, not too fast'],
  ],
  run: (context, options) => mirrorTopics(context, options),
};

async function mirrorTopics(context: Context, options: Options): Promise<readonly MirrorRow[]> {
  const start = parseStartPoint(options.start, context.clock.nowMs(), '--start');
  const { topics } = options;
  const fromAddresses = await addressesOf(context, options.from);
  const toAddresses = context.namesrv.addresses.map(({ host, port }) => `${host}:${port}`);
  if (fromAddresses.some((address) => toAddresses.includes(address))) {
    throw new RmqError('USAGE', 'source and target are the same cluster', {
      hint: '--from names the source; --namesrv or --context the target',
    });
  }
  const { connectAdmin } = await import('./shared/connect.ts');
  const namesrv = fromAddresses.flatMap((address) => parseHostPort(address) ?? []);
  const { admin: source, close } = connectAdmin({ namesrv, timeoutMs: context.timeoutMs });
  const state = await MirrorState.open(context, {
    from: fromAddresses,
    to: toAddresses,
    folder: options.state,
    isReadOnly: options.dryRun,
  });
  try {
    const target = await context.connect();
    if (!options.dryRun) {
      for (const topic of topics) await ensureTarget(context, source, target, topic);
    }
    const copy = new Mirror({ ...options, context, source, target, state, start });
    const rows = await copy.run(topics);
    if (!context.signal.aborted) return rows;
    const count = rows.reduce((sum, { copiedCount }) => sum + copiedCount, 0);
    const left = rows.reduce((sum, { remainingCount }) => sum + remainingCount, 0);
    await context.stderr.write(
      `interrupted: ${count} messages were copied, ${left} remain; the same command goes on there\n`,
    );
    throw new RmqError('INTERRUPTED', 'interrupted');
  } finally {
    await state.close();
    await close();
  }
}

/** Of a context, or as they are said. @throws RmqError USAGE */
async function addressesOf(
  { host }: Context,
  from: string | undefined,
): Promise<readonly string[]> {
  if (from === undefined || from === '') {
    throw new RmqError('USAGE', 'no source is named', {
      hint: '--from CONTEXT or --from HOST:PORT',
    });
  }
  const addresses = from.split(';').filter((one) => one !== '');
  if (addresses.every((one) => (parseHostPort(one)?.port ?? 0) > 0)) return addresses;
  return contextNamed(await readContexts(host), from, '--from').namesrv;
}
