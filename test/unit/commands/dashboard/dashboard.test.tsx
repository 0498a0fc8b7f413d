/** Rates and histories, the table, keys and rows of the dashboard without a cluster, and its rows in Ink. */
import fc from 'fast-check';
import { render } from 'ink-testing-library';
import { describe, expect, test } from 'vitest';
import type { Actions } from '../../../../src/commands/dashboard/actions.ts';
import { bindingsFor } from '../../../../src/commands/dashboard/bindings.ts';
import { ClusterState } from '../../../../src/commands/dashboard/cluster-state.ts';
import { DashboardController } from '../../../../src/commands/dashboard/controller.ts';
import { frameOf } from '../../../../src/commands/dashboard/frame.ts';
import { History, Meter } from '../../../../src/commands/dashboard/meter.ts';
import { bytes, rate, short } from '../../../../src/commands/dashboard/numbers.ts';
import { parseRowFilter } from '../../../../src/commands/dashboard/table.ts';
import type { Focus, Place } from '../../../../src/commands/dashboard/view.ts';
import { Rows } from '../../../../src/commands/terminal/components.tsx';
import { keyLabel } from '../../../../src/commands/terminal/keys.ts';
import { Theme } from '../../../../src/commands/terminal/theme.ts';
import { cellsOf } from '../../../../src/commands/terminal/widths.ts';

const plain = new Theme({ hasColor: false });
const withoutStyle = (text: string): string => text.replace(/\u001b\[[0-9;]*m/g, '');

describe('a meter', () => {
  test('knows a rate from the second sample on, and survives a counter that begins anew', () => {
    const meter = new Meter();
    expect(meter.perSecond).toBeUndefined();
    meter.sample(100, 0);
    expect(meter.perSecond).toBeUndefined();
    meter.sample(300, 2_000);
    expect(meter.perSecond).toBe(100);
    meter.sample(50, 3_000);
    expect(meter.perSecond).toBe(50);
    meter.sample(70, 3_000);
    expect(meter.perSecond).toBe(50);
  });

  test('over a window, steps are spread', () => {
    const meter = new Meter(10_000);
    // Told every 5 s, looked at every 2 s: 20 a second.
    const rates: (number | undefined)[] = [];
    for (let at = 0; at <= 40; at += 2) {
      meter.sample(Math.floor(at / 5) * 100, at * 1_000);
      rates.push(meter.perSecond);
    }
    expect(Math.min(...rates.slice(5).map((one) => one ?? 0))).toBeGreaterThanOrEqual(10);
    expect(Math.max(...rates.slice(5).map((one) => one ?? 0))).toBeLessThanOrEqual(30);
    meter.sample(100, 42_000);
    expect(meter.perSecond).toBe(50);
  });

  test('is never negative', () => {
    fc.assert(
      fc.property(fc.array(fc.nat()), fc.nat(5_000), (totals, windowMs) => {
        const meter = new Meter(windowMs);
        for (const [index, total] of totals.entries()) meter.sample(total, index * 500);
        expect(meter.perSecond ?? 0).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  test('a history keeps the newest 150', () => {
    const history = new History();
    for (let n = 0; n < 400; n++) history.push(n);
    expect(history.values).toEqual(Array.from({ length: 150 }, (_, index) => 250 + index));
  });
});

test('numbers as people read them', () => {
  expect([0, 999, 1_000, 9_999, 10_000, 123_456, 5_000_000].map(short)).toEqual([
    '0',
    '999',
    '1,000',
    '9,999',
    '10.0k',
    '123k',
    '5.0M',
  ]);
  expect([undefined, 0, 0.25, 99.9, 100, 5_012].map(rate)).toEqual([
    '·',
    '0',
    '0.3',
    '99.9',
    '100',
    '5,012',
  ]);
  expect([0, 1_023, 1_024, 64 * 2 ** 20].map(bytes)).toEqual([
    '0 B',
    '1023 B',
    '1.0 KiB',
    '64 MiB',
  ]);
});

test('a filter of rows', () => {
  const matching = (text: string, cells: readonly string[]): unknown => {
    const filter = parseRowFilter(text);
    return typeof filter === 'function' ? filter(cells) : filter;
  };
  expect(matching('ORD', ['orders', 'NORMAL'])).toBe(true);
  expect(matching('!ord', ['orders', 'NORMAL'])).toBe(false);
  expect(matching('/^nor/', ['orders', 'NORMAL'])).toBe(true);
  expect(matching('/^rmal/', ['orders', 'NORMAL'])).toBe(false);
  expect(matching(' ', ['orders'])).toBeUndefined();
  expect(matching('/(/', ['orders'])).toMatchObject({ problem: expect.any(String) });
});

/** A cluster with that many topics `topic-00000` …; topic n has stored n messages. */
function clusterOf(topicCount: number): ClusterState {
  const state = new ClusterState();
  state.topics = Array.from({ length: topicCount }, (_, n) => ({
    topic: `topic-${String(n).padStart(5, '0')}`,
    messageType: n % 2 === 0 ? 'NORMAL' : 'FIFO',
    readQueueCount: 4,
    writeQueueCount: 4,
    permission: 6,
    brokerNames: ['broker-a'],
    isSystem: false,
  }));
  for (const [n, { topic }] of state.topics.entries()) state.topicStat(topic).storedCount = n;
  state.version++;
  return state;
}

function opened(state: ClusterState, place?: Place) {
  const calls: string[] = [];
  const foci: Focus[] = [];
  const told =
    (name: string) =>
    (...args: readonly string[]) => {
      calls.push([name, ...args].join(' '));
      return Promise.resolve(`${name} done`);
    };
  const actions: Actions = {
    redrive: told('redrive'),
    previewReset: told('preview'),
    reset: told('reset'),
    deleteTopic: told('delete-topic'),
    deleteGroup: told('delete-group'),
    drain: told('drain'),
  };
  const controller = new DashboardController(
    state,
    {
      actions,
      nowMs: () => Date.UTC(2026, 0, 1),
      focus: (focus) => void foci.push(focus),
      refresh: () => void calls.push('refresh'),
      copy: (text) => {
        calls.push(`copy ${text}`);
        return true;
      },
      save: async (path, text) => void calls.push(`save ${path} ${text.split('\n').length}`),
      openMessages: async (topic) => Promise.reject(new Error(`no messages of ${topic}`)),
      quit: () => void calls.push('quit'),
      changed() {},
    },
    place,
  );
  const screen = (columns = 80, rows = 24): string[] =>
    frameOf(controller, plain, { columns, rows, cluster: 'test' }).map(withoutStyle);
  const type = (...keys: readonly string[]): string[] => {
    for (const key of keys) {
      controller.key(key);
      screen();
    }
    return screen();
  };
  screen();
  return { controller, calls, foci, screen, type };
}

describe('the frame', () => {
  test('is exactly as large as the screen, whatever is pressed', () => {
    const state = clusterOf(100);
    const keys = fc.constantFrom(
      ...'0123456?/:jkGg<>iRODWm-'.split(''),
      ...['enter', 'esc', 'tab', 'up', 'down', 'pagedown', 'backspace'],
    );
    fc.assert(
      fc.property(
        fc.array(keys, { maxLength: 30 }),
        fc.integer({ min: 20, max: 250 }),
        fc.integer({ min: 8, max: 70 }),
        (pressed, columns, rows) => {
          const { controller, screen } = opened(state);
          for (const key of pressed) {
            controller.key(key);
            const frame = screen(columns, rows);
            expect(frame).toHaveLength(rows);
            for (const text of frame) expect(cellsOf(text)).toBe(columns);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('says what is in sight, and no more', () => {
    const { foci, type } = opened(clusterOf(10_000), { view: 'topics' });
    expect(foci.at(-1)?.visible).toHaveLength(19);
    expect(foci.at(-1)?.visible[0]).toBe('topic-00000');
    type('G');
    expect(foci.at(-1)?.visible.at(-1)).toBe('topic-09999');
    expect(foci.at(-1)?.visible).toHaveLength(19);
  });

  test('filter, order and cursor', () => {
    const { type, controller, calls } = opened(clusterOf(300), { view: 'topics' });
    const list = (frame: readonly string[]): string[] =>
      frame.flatMap((text) => /^ (topic-\d+)/.exec(text)?.[1] ?? []);
    expect(list(type('/', '2', '9', '9'))).toEqual(['topic-00299']);
    expect(list(type('esc', 'esc')).slice(0, 2)).toEqual(['topic-00000', 'topic-00001']);
    // By what is stored: the fifth column, the largest first.
    expect(list(type('>', '>', '>', '>')).slice(0, 2)).toEqual(['topic-00299', 'topic-00298']);
    type('j', 'c');
    expect(calls).toContain('copy topic-00298');
    // The cursor stays on its topic when the order turns.
    type('i');
    expect(controller.selected).toMatchObject({ topic: 'topic-00298' });
  });

  test.each(['overview', 'topics', 'topic', 'groups', 'group', 'dlq', 'machine'] as const)(
    'the help of %s fits a screen of 80×24 whole',
    (view) => {
      const { controller, type } = opened(clusterOf(3), { view, name: 'topic-00001' });
      const shown = type('?').join('\n');
      for (const { help, keys } of bindingsFor(controller.view?.actions ?? [])) {
        expect(shown).toContain(`${keys.slice(0, 2).map(keyLabel).join(' ')} `);
        expect(shown).toContain(help);
      }
      expect(shown).toContain('any key closes this');
      expect(type('x').join('\n')).not.toContain('any key closes this');
    },
  );

  test('what destroys has to be named', async () => {
    const { type, calls, controller } = opened(clusterOf(3), { view: 'topics' });
    type('D', ...'topic-00001', 'enter');
    expect(calls).toEqual([]);
    expect(controller.notice?.text).toBe('nothing was done');
    type('D', ...'topic-00000', 'enter');
    await Promise.resolve();
    expect(calls).toContain('delete-topic topic-00000');
  });

  test('names that are no text for a terminal are made harmless', () => {
    const state = clusterOf(1);
    state.tell({ atMs: 0, tone: 'plain', text: 'topic \u001b[2Jevil was created' });
    const { screen } = opened(state, { view: 'events' });
    expect(screen().join('\n')).not.toContain('\u001b');
  });

  test('in Ink the rows are what was made', () => {
    const { screen } = opened(clusterOf(5), { view: 'topics' });
    const app = render(<Rows rows={screen(80, 12)} />);
    expect(app.lastFrame()).toContain('topic-00004');
    app.unmount();
  });
});
