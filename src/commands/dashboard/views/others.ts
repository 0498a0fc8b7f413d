/** Clients, dead letters, what waits for its time, events, and what one machine says of itself. */
import type { ClientRow } from '../../client/client-row.ts';
import type { ClusterEvent, Pending } from '../cluster-state.ts';
import { short } from '../numbers.ts';
import type { View } from '../view.ts';

export const clients: View<ClientRow> = {
  title: () => 'clients',
  columns: [
    { title: 'CLIENT', value: ({ clientId }) => clientId },
    { title: 'ADDRESS', value: ({ address }) => address },
    { title: 'LANGUAGE', value: ({ language }) => language },
    { title: 'VERSION', value: ({ version }) => version, rank: 1 },
    { title: 'CONSUMES WITH', value: ({ consumerGroups }) => consumerGroups.join(',') },
    { title: 'PRODUCES WITH', value: ({ producerGroups }) => producerGroups.join(','), rank: 2 },
    {
      title: 'CONNECTED TO',
      value: ({ brokerNames, proxyNames }) => [...brokerNames, ...proxyNames].join(','),
      rank: 3,
    },
  ],
  rows: ({ state }) => state.clients ?? [],
  idOf: ({ clientId }) => clientId,
  open: ({ consumerGroups: [group] }) =>
    group === undefined ? undefined : { view: 'group', name: group },
  actions: [],
  sort: { column: 0, isDescending: false },
  empty: 'no client is connected (producers over gRPC are not told)',
};

export const deadLetters: View<{ readonly group: string }> = {
  title: () => 'dead letters',
  columns: [
    { title: 'GROUP', value: ({ group }) => group },
    {
      title: 'DEAD',
      align: 'right',
      value: ({ group }, { state }) => count(state.deadLetters.get(group)?.storedCount),
      order: ({ group }, { state }) => state.deadLetters.get(group)?.storedCount ?? -1,
    },
    {
      title: 'WAITING',
      align: 'right',
      value: ({ group }, { state }) => count(state.deadLetters.get(group)?.waitingCount),
      order: ({ group }, { state }) => state.deadLetters.get(group)?.waitingCount ?? -1,
      tone: ({ group }, { state }) =>
        (state.deadLetters.get(group)?.waitingCount ?? 0) > 0 ? 'warning' : undefined,
    },
  ],
  rows: ({ state }) => state.deadLetterGroups.map((group) => ({ group })),
  idOf: ({ group }) => group,
  open: ({ group }) => ({ view: 'messages', name: `%DLQ%${group}` }),
  actions: ['redrive'],
  sort: { column: 0, isDescending: false },
  empty: 'no group has dead letters',
};

export const pending: View<Pending> = {
  title: () => 'delayed and transactional messages',
  columns: [
    { title: 'TOPIC', value: ({ topic }) => (topic === '' ? '(all topics)' : topic) },
    {
      title: 'WAITS FOR',
      value: ({ kind }) => (kind === 'delayed' ? 'its time' : 'the end of its transaction'),
    },
    {
      title: 'MESSAGES',
      align: 'right',
      value: (row) => short(row.count),
      order: (row) => row.count,
    },
    { title: 'BROKER', value: ({ brokerName }) => brokerName },
  ],
  rows: ({ state }) => state.pending,
  idOf: ({ kind, brokerName, topic }) => `${topic} ${kind} ${brokerName}`,
  open: ({ topic }) => (topic === '' ? undefined : { view: 'topic', name: topic }),
  actions: [],
  sort: { column: 2, isDescending: true },
  empty: 'nothing waits for its time or for the end of its transaction',
};

export const events: View<ClusterEvent> = {
  title: () => 'events',
  columns: [
    { title: 'TIME', value: ({ atMs }) => new Date(atMs).toISOString().slice(11, 19) },
    { title: 'EVENT', value: ({ text }) => text, tone: ({ tone }) => tone },
  ],
  rows: ({ state }) => state.events,
  idOf: ({ atMs, text }) => `${atMs} ${text}`,
  actions: [],
  empty: 'nothing has happened since the dashboard was opened',
};

type Fact = readonly [name: string, value: string];

export const machine: View<Fact> = {
  title: ({ name }) => name ?? '',
  columns: [
    { title: 'NAME', value: ([name]) => name },
    { title: 'VALUE', value: ([, value]) => value },
  ],
  rows: ({ state, place }) => {
    const found = state.machines.get(place.name ?? '');
    if (found === undefined) return [];
    const own: Fact[] = [
      ['state', found.problem ?? (found.isDrained ? 'drained' : 'up')],
      ['address', found.address],
      ...(found.version === undefined ? [] : ([['version', found.version]] as const)),
    ];
    return [...own, ...Object.entries(found.facts).sort(([a], [b]) => (a < b ? -1 : 1))];
  },
  idOf: ([name]) => name,
  targetOf: (_row, { name }) => name ?? '',
  actions: ['drain'],
  empty: 'the machine has left',
};

function count(value: number | undefined): string {
  return value === undefined ? '·' : short(value);
}
