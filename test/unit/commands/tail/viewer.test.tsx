/** The viewer's model by itself, its keys, its rows, and the component in Ink. */
import fc from 'fast-check';
import { render } from 'ink-testing-library';
import { describe, expect, test } from 'vitest';
import { TailController, type TailPorts } from '../../../../src/commands/tail/controller.ts';
import type { TailEntry } from '../../../../src/commands/tail/entry.ts';
import { tailRows } from '../../../../src/commands/tail/list-view.ts';
import { TailModel } from '../../../../src/commands/tail/model.ts';
import { TailView } from '../../../../src/commands/tail/TailView.tsx';
import { Theme } from '../../../../src/commands/terminal/theme.ts';
import { cellsOf } from '../../../../src/commands/terminal/widths.ts';
import { entryOf } from '../../../support/tail-entry.ts';

const plain = new Theme({ hasColor: false });
const withoutStyle = (text: string): string => text.replace(/\u001b\[[0-9;]*m/g, '');

/** `body` is `message 7`; every second one is tagged `even`. */
function entries(count: number, from = 0): TailEntry[] {
  return Array.from({ length: count }, (_, index) => {
    const n = from + index;
    const properties = { TAGS: n % 2 === 0 ? 'even' : 'odd', KEYS: `k-${n}` };
    return entryOf({ body: `message ${n}`, queueOffset: n, properties });
  });
}

function viewer(ports: Partial<TailPorts> = {}, model = new TailModel()) {
  const calls: string[] = [];
  const controller = new TailController({
    model,
    title: 'orders',
    isOneTopic: true,
    ports: {
      copy: (text) => {
        calls.push(`copy ${text}`);
        return true;
      },
      save: async (path, list) => void calls.push(`save ${path} ${list.length}`),
      resend: async (list, topic) => void calls.push(`resend ${list.length} ${topic}`),
      trace: () => Promise.resolve([]),
      quit: () => void calls.push('quit'),
      changed: () => {},
      ...ports,
    },
  });
  const size = { columns: 80, rows: 24 };
  const screen = (at = size): string[] => tailRows(controller, plain, at).map(withoutStyle);
  const type = (...keys: string[]): void => {
    for (const key of keys) controller.key(key);
    screen();
  };
  screen();
  return { controller, model, calls, screen, type };
}

const typed = (text: string): string[] => Array.from(text, (c) => (c === ' ' ? 'space' : c));

describe('the model', () => {
  test('stays inside its bounds and shows what it holds, whatever happens', () => {
    const steps = fc.array(
      fc.oneof(
        fc.integer({ min: 1, max: 40 }),
        fc.constantFrom('up', 'down', 'page-up', 'first', 'last', 'filter', 'all', 'mark', 'pause'),
      ),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 12 }), (moves, height) => {
        const model = new TailModel({ countMax: 50, sizeMaxBytes: 40_000 });
        model.resize(height);
        let taken = 0;
        for (const step of moves) {
          if (typeof step === 'number') {
            // A list that stands still is not fed once it is full.
            if (!model.isFull || model.isFollowing) {
              model.take(entries(step, taken), step, taken);
              taken += step;
            }
          } else if (step === 'filter') model.setFilter((entry) => entry.tag === 'even');
          else if (step === 'all') model.setFilter(undefined);
          else if (step === 'mark') model.toggleMark();
          else if (step === 'pause') model.pause();
          else model.move(step as 'up');
          const { cursor, top } = model.window;
          expect(model.heldCount).toBeLessThanOrEqual(50);
          expect(model.sizeBytes).toBeLessThanOrEqual(40_000);
          expect(model.seenCount).toBe(taken);
          expect(cursor).toBeLessThan(Math.max(1, model.count));
          expect(top + height).toBeGreaterThan(cursor);
          const visible = model.visible();
          expect(visible.length).toBe(Math.min(height, model.count));
          const sequences = visible.map(({ sequence }) => sequence);
          expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
          if (model.count > 0) expect(visible).toContain(model.selected);
          if (model.isFollowing && model.count > 0) expect(cursor).toBe(model.count - 1);
        }
      }),
    );
  });

  test('a list that stands still keeps its place when it was filled', () => {
    const model = new TailModel({ countMax: 100, sizeMaxBytes: 1 << 20 });
    model.resize(10);
    model.take(entries(60), 60, 0);
    model.move('page-up');
    const before = model.selected?.sequence;
    model.take(entries(60, 60), 60, 0);
    expect(model.selected?.sequence).toBe(before);
    expect(model.isFull).toBe(true);
    model.follow();
    expect(model.selected?.sequence).toBe(119);
  });

  test('counts a rate a second, and forgets it after a minute', () => {
    const model = new TailModel();
    model.take([], 5, 1_000_000);
    model.take([], 7, 1_000_900);
    model.take([], 2, 1_002_000);
    expect(model.rates.slice(-3)).toEqual([12, 0, 2]);
    model.take([], 0, 1_200_000);
    expect(model.rates).toHaveLength(60);
    expect(Math.max(...model.rates)).toBe(0);
  });
});

describe('keys', () => {
  test('filter what is there and what comes; esc shows all again', () => {
    const { model, type, controller } = viewer();
    model.take(entries(10), 10, 0);
    type('/', ...typed('tag:even'), 'enter');
    expect(model.count).toBe(5);
    model.take(entries(4, 10), 4, 0);
    expect(model.count).toBe(7);
    type('esc');
    expect(controller.filterText).toBe('');
    expect(model.count).toBe(12);
  });

  test('a filter that is wrong is said and can be mended', () => {
    const { controller, screen, type } = viewer();
    type('/', ...typed('$.'), 'enter');
    expect(screen().at(-2)).toContain('needs a name behind the dot');
    expect(screen().at(-1)).toContain('filter: $.');
    type('a', 'enter');
    expect(controller.filterText).toBe('$.a');
  });

  test('search goes from one to the next and round', () => {
    const { model, type } = viewer();
    model.take(entries(30), 30, 0);
    type('s', ...typed('"message 1"'), 'enter');
    const places: (number | undefined)[] = [model.selected?.sequence];
    for (const key of ['N', 'n', 'n']) {
      type(key);
      places.push(model.selected?.sequence);
    }
    expect(places).toEqual([19, 18, 19, 1]);
    expect(model.isFollowing).toBe(false);
  });

  test('marked ones are copied, saved, resent together', async () => {
    const { model, type, calls } = viewer();
    model.take(entries(5), 5, 0);
    type('g', 'm', 'j', 'm');
    expect(model.marked.map(({ sequence }) => sequence)).toEqual([0, 2]);
    type('y', 'e', 'enter', 'r', 'ctrl-u', ...typed('other'), 'enter');
    await Promise.resolve();
    expect(calls).toEqual(['copy message 0\nmessage 2', 'save orders.jsonl 2', 'resend 2 other']);
    type('M', 'y', 'q');
    expect(calls.slice(3)).toEqual(['copy message 3', 'quit']);
  });

  test.each([
    { topic: '%DLQ%billing', properties: { DLQ_ORIGIN_TOPIC: 'orders', RETRY_TOPIC: 'x' } },
    { topic: '%RETRY%billing', properties: { RETRY_TOPIC: 'orders' } },
    { topic: 'orders', properties: { RETRY_TOPIC: 'elsewhere' } },
  ])('a copy of a message in $topic goes to orders', async (message) => {
    const { model, type, calls } = viewer();
    model.take([entryOf({ body: 'dead', ...message })], 1, 0);
    type('r', 'enter');
    await Promise.resolve();
    expect(calls).toEqual(['resend 1 orders']);
  });

  test('a failed save is told', async () => {
    const { model, type, screen } = viewer({ save: () => Promise.reject(new Error('disk full')) });
    model.take(entries(1), 1, 0);
    type('e', 'enter');
    await expect.poll(() => screen().at(-2)).toContain('disk full');
  });

  test('a message opens on its pages and gives the list back where it was', async () => {
    const { model, type, screen, controller } = viewer();
    const body = '{"a":{"b":[1,"two"]},"long":"' + 'x'.repeat(3_000) + '"}';
    model.take([...entries(3), entryOf({ body, properties: { region: 'eu' } })], 4, 0);
    type('enter');
    expect(screen().map((line) => line.trimEnd())).toContain('     "b": [');
    type('G');
    expect(screen().at(-3)?.trim()).toBe('}');
    type('i');
    expect(screen().join('\n')).toMatch(/region +eu/);
    type('x');
    expect(screen().join('\n')).toContain('7b 22 61 22');
    type('t');
    await expect.poll(() => screen().join('\n')).toContain('no client traced this message');
    type('b', 'N');
    expect(screen().join('\n')).toContain('message 2');
    type('esc');
    expect(controller.view).toBe('list');
    expect(model.selected?.sequence).toBe(2);
  });

  test('help names every key', () => {
    const { type, screen } = viewer();
    type('?');
    const wide = screen({ columns: 200, rows: 60 }).join('\n');
    for (const word of ['pause', 'filter', 'resend', 'who consumed it', 'next message']) {
      expect(wide).toContain(word);
    }
  });
});

describe('rows', () => {
  test.each([
    { columns: 80, rows: 24 },
    { columns: 200, rows: 60 },
    { columns: 30, rows: 6 },
  ])('fill $columns×$rows exactly, whatever the messages are', (size) => {
    const { model, screen, type } = viewer();
    const odd = [
      '訂単'.repeat(200),
      '\u001b[2J\n\t',
      '👩‍👩‍👧'.repeat(90),
      Uint8Array.of(255, 254),
      '',
    ];
    for (const body of odd) {
      model.take(
        [entryOf({ body, properties: { TAGS: 'タグ'.repeat(9), KEYS: body.toString() } })],
        1,
        0,
      );
    }
    for (const key of ['up', 'enter', 'i', 'x', 't', 'esc', '?', '?', '/', 'a', 'esc', 's']) {
      type(key);
      const lines = screen(size);
      expect(lines).toHaveLength(size.rows);
      for (const line of lines) {
        expect(cellsOf(line)).toBe(size.columns);
        expect(line).not.toMatch(/[\u0000-\u001f\u007f]/);
      }
    }
  });

  test('the component draws them in Ink', () => {
    const { model, controller } = viewer();
    model.take(entries(40), 40, 0);
    const theme = new Theme({ hasColor: true });
    const app = render(<TailView controller={controller} theme={theme} columns={100} rows={12} />);
    const lines = withoutStyle(app.lastFrame() ?? '').split('\n');
    expect(lines[0]).toContain('rmq tail  orders  ● live');
    expect(lines.slice(2, 10).map((line) => /message \d+/.exec(line)?.[0])).toEqual(
      entries(8, 32).map((entry) => entry.text()),
    );
    expect(lines.at(-1)).toContain('q quit');
    app.unmount();
  });
});
