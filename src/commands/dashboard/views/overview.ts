/** The first view: the cluster in a few numbers, and its machines. */
import { isSystemGroup } from '../../../protocol/message/names.ts';
import { ago } from '../../shared/times.ts';
import type { Span } from '../../terminal/rows.ts';
import { sparkline } from '../../terminal/sparkline.ts';
import { fit } from '../../terminal/widths.ts';
import type { ClusterState, Machine, Role } from '../cluster-state.ts';
import { bytes, rate, short } from '../numbers.ts';
import type { Scene, View } from '../view.ts';

const inOf = (one: Machine): number => one.in.perSecond ?? 0;
const outOf = (one: Machine): number => one.out.perSecond ?? 0;

const roles: readonly Role[] = ['nameserver', 'broker', 'proxy'];

export const overview: View<Machine> = {
  title: () => 'overview',
  columns: [
    { title: 'MACHINE', value: ({ name }) => name },
    { title: 'ROLE', value: ({ role }) => role },
    { title: 'ADDRESS', value: ({ address }) => address, rank: 1 },
    {
      title: 'STATE',
      value: stateText,
      tone: (machine) => {
        if (machine.problem !== undefined) return 'bad';
        return machine.isDrained ? 'warning' : 'good';
      },
    },
    {
      title: 'SEEN',
      value: ({ lastHeartbeatMs }, { nowMs }) =>
        lastHeartbeatMs === undefined ? '' : ago(lastHeartbeatMs, nowMs),
      order: ({ lastHeartbeatMs }) => lastHeartbeatMs ?? 0,
    },
    { title: 'IN/S', align: 'right', value: (one) => rateOf(one, 'in'), order: inOf },
    { title: 'OUT/S', align: 'right', value: (one) => rateOf(one, 'out'), order: outOf },
    { title: 'LOG', align: 'right', value: (one) => logText(one), order: logBytes },
    { title: 'FREE', align: 'right', value: freeText },
    { title: 'VERSION', value: ({ version }) => version ?? '', rank: 2 },
    { title: 'CLUSTER', value: ({ clusterName }) => clusterName, rank: 3 },
  ],
  rows: ({ state }) => roles.flatMap((role) => state.machinesOf(role)),
  idOf: ({ id }) => id,
  head,
  open: ({ id }) => ({ view: 'machine', name: id }),
  actions: ['drain'],
  empty: 'no machine has answered yet',
};

/** From there on there is room for more than the figures that every machine has. */
const wideColumns = 100;

function stateText({ problem, isDrained, facts, role }: Machine, { columns }: Scene): string {
  if (problem !== undefined) return problem;
  if (isDrained) return 'drained';
  if (columns >= wideColumns && role === 'proxy' && facts['connectionCount'] !== undefined) {
    return `up, ${facts['connectionCount']} clients`;
  }
  return 'up';
}

function rateOf(machine: Machine, direction: 'in' | 'out'): string {
  if (machine.role === 'nameserver') return '';
  if (machine.role === 'broker') return rate(machine[direction].perSecond);
  const told = machine.facts[direction === 'in' ? 'inPerSecond' : 'outPerSecond'];
  return told === undefined ? '·' : rate(Number(told));
}

function logBytes({ facts }: Machine): number {
  const [begin, end] = [facts['commitLogMinOffset'], facts['commitLogMaxOffset']];
  return end === undefined ? 0 : Math.max(0, Number(end) - Number(begin ?? 0));
}

function logText(machine: Machine): string {
  return machine.role === 'broker' ? bytes(logBytes(machine)) : '';
}

/** `48.2 GiB` of `Total : 251 GiB, Free : 48.2 GiB.` */
function freeText({ facts }: Machine): string {
  return (
    /Free : ([^,.]+(?:\.\d+)? ?[KMGT]?i?B)/.exec(facts['commitLogDirCapacity'] ?? '')?.[1] ?? ''
  );
}

function head({ state, columns }: Scene): Span[][] {
  const width = Math.max(10, Math.min(60, columns - 34));
  const line = (title: string, value: string, history: readonly number[]): Span[] => [
    ['heading', ` ${fit(title, 10)}`],
    ['plain', `${fit(value, 14, 'right')}  `],
    ['name', sparkline(history, width)],
  ];
  return [
    line('in', `${rate(state.rate('in'))}/s`, state.inHistory.values),
    line('out', `${rate(state.rate('out'))}/s`, state.outHistory.values),
    line('backlog', short(state.lag), state.lagHistory.values),
    [['heading', ' '], ...countSpans(state)],
    [],
  ];
}

function countSpans(state: ClusterState): Span[] {
  const bad = [...state.machines.values()].filter(({ problem }) => problem !== undefined).length;
  const user = state.topics.filter(({ isSystem }) => !isSystem).length;
  const groups = [...state.groups.keys()].filter((group) => !isSystemGroup(group)).length;
  const dead = [...state.deadLetters.values()].reduce((sum, one) => sum + one.waitingCount, 0);
  const machines = roles.map((role) => {
    const count = state.machinesOf(role).length;
    return `${count} ${count === 1 ? role : role === 'proxy' ? 'proxies' : `${role}s`}`;
  });
  const spans: Span[] = [
    [
      'plain',
      `${machines.join(', ')} · ${short(user)} ${user === 1 ? 'topic' : 'topics'} · ${short(groups)} ${groups === 1 ? 'group' : 'groups'}`,
    ],
  ];
  if (dead > 0) spans.push(['warning', ` · ${short(dead)} dead letters`]);
  if (bad > 0) spans.push(['bad', ` · ${bad} not well`]);
  return spans;
}
