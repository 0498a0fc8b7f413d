/** The views by name. `messages` is the viewer of `rmq tail` and not among them. */
import type { AnyView, ViewName } from '../view.ts';
import { group, groups } from './groups.ts';
import { clients, deadLetters, events, machine, pending } from './others.ts';
import { overview } from './overview.ts';
import { topic, topics } from './topics.ts';

export type TableName = Exclude<ViewName, 'messages'>;

export const views: Readonly<Record<TableName, AnyView>> = {
  overview: overview as AnyView,
  topics: topics as AnyView,
  topic: topic as AnyView,
  groups: groups as AnyView,
  group: group as AnyView,
  clients: clients as AnyView,
  dlq: deadLetters as AnyView,
  pending: pending as AnyView,
  events: events as AnyView,
  machine: machine as AnyView,
};

/** Those that show the whole cluster, by the digit that leads to them. */
export const mainViews: readonly (readonly [digit: string, view: TableName])[] = [
  ['1', 'overview'],
  ['2', 'topics'],
  ['3', 'groups'],
  ['4', 'clients'],
  ['5', 'dlq'],
  ['6', 'pending'],
  ['0', 'events'],
];
