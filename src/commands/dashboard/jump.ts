/** Where `:` leads: views by name, topics and groups by what was typed of theirs. */
import type { ClusterState } from './cluster-state.ts';
import type { Place } from './view.ts';
import { mainViews } from './views/all-views.ts';

const aliases: Readonly<Record<string, string>> = {
  machines: 'overview',
  cluster: 'overview',
  brokers: 'overview',
  proxies: 'overview',
  'dead-letters': 'dlq',
  delayed: 'pending',
  transactions: 'pending',
};
const shownMax = 8;

export interface Target {
  readonly label: string;
  readonly place: Place;
}

/** The best first: what begins with the text before what only has it. */
export function targetsOf(state: ClusterState, text: string): readonly Target[] {
  const wanted = text.trim().toLowerCase();
  const all: Target[] = mainViews.map(([, view]) => ({ label: view, place: { view } }));
  for (const [label, name] of Object.entries(aliases)) {
    const view = mainViews.find(([, one]) => one === name)?.[1];
    if (view !== undefined && wanted !== '') all.push({ label, place: { view } });
  }
  if (wanted === '') return all;
  for (const { topic, isSystem } of state.topics) {
    if (!isSystem) all.push({ label: topic, place: { view: 'topic', name: topic } });
  }
  for (const group of state.groups.keys()) {
    all.push({ label: group, place: { view: 'group', name: group } });
  }
  const rank = ({ label }: Target): number => {
    const small = label.toLowerCase();
    if (small === wanted) return 0;
    if (small.startsWith(wanted)) return 1;
    return small.includes(wanted) ? 2 : 3;
  };
  const found = all.filter((target) => rank(target) < 3);
  return found.sort((a, b) => rank(a) - rank(b)).slice(0, shownMax);
}
