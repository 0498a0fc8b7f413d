/**
 * What a draw of the dashboard costs with many topics: after a key, and after the cluster has changed.
 *
 *   node test/bench/dashboard.ts [--topics 10000] [--draws 200]
 */
import { parseArgs } from 'node:util';
import { ClusterState } from '../../src/commands/dashboard/cluster-state.ts';
import { DashboardController } from '../../src/commands/dashboard/controller.ts';
import { frameOf } from '../../src/commands/dashboard/frame.ts';
import { Theme } from '../../src/commands/terminal/theme.ts';

const { values: flags } = parseArgs({
  options: {
    topics: { type: 'string', default: '10000' },
    draws: { type: 'string', default: '200' },
  },
});

const state = new ClusterState();
state.topics = Array.from({ length: Number(flags.topics) }, (_, n) => ({
  topic: `topic-${(n * 7_919) % 100_003}`,
  messageType: 'NORMAL',
  readQueueCount: 8,
  writeQueueCount: 8,
  permission: 6,
  brokerNames: ['broker-a'],
  isSystem: false,
}));
for (const { topic } of state.topics) state.topicStat(topic).storedCount = topic.length;
state.version++;

const nothing = (): Promise<string> => Promise.resolve('');
const controller = new DashboardController(
  state,
  {
    actions: {
      redrive: nothing,
      previewReset: nothing,
      reset: nothing,
      deleteTopic: nothing,
      deleteGroup: nothing,
      drain: nothing,
    },
    nowMs: () => Date.now(),
    focus() {},
    refresh() {},
    copy: () => true,
    save: () => Promise.resolve(),
    openMessages: () => Promise.reject(new Error('not here')),
    quit() {},
    changed() {},
  },
  { view: 'topics' },
);
const theme = new Theme({ hasColor: true });
const draw = (): string[] =>
  frameOf(controller, theme, { columns: 250, rows: 70, cluster: 'bench' });

function measure(what: string, before: (turn: number) => void): void {
  const times: number[] = [];
  for (let turn = 0; turn < Number(flags.draws); turn++) {
    const begunMs = performance.now();
    before(turn);
    draw();
    times.push(performance.now() - begunMs);
  }
  times.sort((a, b) => a - b);
  const at = (share: number): string =>
    (times[Math.floor(share * (times.length - 1))] ?? 0).toFixed(1);
  console.log(`${what.padEnd(34)} p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, worst ${at(1)} ms`);
}

console.log(`${flags.topics} topics, 250×70`);
draw();
measure('a key: the cursor moves', (turn) => controller.key(turn % 2 === 0 ? 'pagedown' : 'j'));
measure('the cluster has changed', () => state.version++);
controller.key('/');
measure('a key of a filter', (turn) => controller.key(turn % 2 === 0 ? '7' : 'backspace'));
