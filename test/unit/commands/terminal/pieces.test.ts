/** What screens are made of, without a screen: widths, rows, keys, windows, lines. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { copySequence } from '../../../../src/commands/terminal/clipboard.ts';
import { actionOf, keyLabel, keyNames } from '../../../../src/commands/terminal/keys.ts';
import { editLine, lineOf, textOf } from '../../../../src/commands/terminal/line-editor.ts';
import {
  type ListAction,
  listBindings,
  listStart,
  moveBy,
  moveTo,
} from '../../../../src/commands/terminal/list-window.ts';
import { row, rowBetween, type Span } from '../../../../src/commands/terminal/rows.ts';
import { sparkline } from '../../../../src/commands/terminal/sparkline.ts';
import { Theme } from '../../../../src/commands/terminal/theme.ts';
import { cellsOf, cutTo, fit, wrapTo } from '../../../../src/commands/terminal/widths.ts';

const plain = new Theme({ hasColor: false });
const theme = new Theme({ hasColor: true });
const withoutColor = (text: string): string => text.replace(/\u001b\[[0-9;]*m/g, '');
/** Texts without control characters, of every width. */
const texts = fc.string({
  unit: fc.oneof(
    fc.constantFrom('a', ' ', '訂', '単', 'é', 'e\u0301', '👩‍👩‍👧', '🚀', 'ก', '…'),
    fc.string({ minLength: 1, maxLength: 1 }),
  ),
  maxLength: 60,
});

describe('widths', () => {
  test('fit is exact, cutTo never wider, whatever the text', () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 0, max: 40 }), (text, width) => {
        expect(cellsOf(cutTo(text, width))).toBeLessThanOrEqual(width);
        expect(cellsOf(fit(text, width))).toBe(width);
        expect(cellsOf(fit(text, width, 'right'))).toBe(width);
      }),
    );
  });

  test('wrapping loses nothing and stays inside', () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 2, max: 40 }), (text, width) => {
        const lines = wrapTo(text, width);
        expect(lines.join('')).toBe(text);
        for (const line of lines) expect(cellsOf(line)).toBeLessThanOrEqual(width);
      }),
    );
  });

  test('what is cut ends with an ellipsis; wide characters are not halved', () => {
    expect(cutTo('abcdef', 4)).toBe('abc…');
    expect(cutTo('訂単訂単', 4)).toBe('訂…');
    expect(cutTo('abcd', 4)).toBe('abcd');
    expect(fit('訂単訂', 4)).toBe('訂… ');
  });
});

describe('rows', () => {
  test('are exactly as wide as asked, in every tone', () => {
    const spans = fc.array(fc.tuple(fc.constantFrom('dim', 'plain', 'name'), texts), {
      maxLength: 5,
    });
    fc.assert(
      fc.property(spans, spans, fc.integer({ min: 0, max: 60 }), (left, right, width) => {
        const one = left as Span[]; // of the tones above
        const other = right as Span[];
        expect(cellsOf(withoutColor(row(theme, width, one)))).toBe(width);
        expect(cellsOf(withoutColor(row(theme, width, one, 'selected')))).toBe(width);
        expect(cellsOf(withoutColor(rowBetween(theme, width, one, other, 'bar')))).toBe(width);
      }),
    );
  });

  test('without colour there is none', () => {
    for (const tone of ['good', 'warning', 'bad', 'name', 'match', 'marked'] as const) {
      expect(plain.paint(tone, 'x')).not.toMatch(/\u001b\[3\dm/);
    }
    expect(theme.paint('match', 'x')).toBe('\u001b[7m\u001b[33mx\u001b[39m\u001b[27m');
  });
});

const noKey = {
  upArrow: false,
  downArrow: false,
  leftArrow: false,
  rightArrow: false,
  pageDown: false,
  pageUp: false,
  home: false,
  end: false,
  return: false,
  escape: false,
  ctrl: false,
  shift: false,
  tab: false,
  backspace: false,
  delete: false,
  meta: false,
  super: false,
  hyper: false,
  capsLock: false,
  numLock: false,
};

describe('keys', () => {
  test('have names, several when they came in one chunk', () => {
    expect(keyNames('jjG', noKey)).toEqual(['j', 'j', 'G']);
    expect(keyNames('ab \r\u0004', noKey)).toEqual(['a', 'b', 'space', 'enter', 'ctrl-d']);
    expect(keyNames('', { ...noKey, upArrow: true })).toEqual(['up']);
    expect(keyNames('u', { ...noKey, ctrl: true })).toEqual(['ctrl-u']);
    expect(keyNames('', { ...noKey, tab: true, shift: true })).toEqual(['shift-tab']);
  });

  test('behind Esc in one chunk are Esc and themselves, not a key with Alt', () => {
    expect(keyNames('j', { ...noKey, meta: true })).toEqual(['esc', 'j']);
    expect(keyNames('', { ...noKey, meta: true, return: true })).toEqual(['esc', 'enter']);
    expect(keyNames('', { ...noKey, meta: true, escape: true })).toEqual(['esc']);
  });

  test('find their action and are shown short', () => {
    expect(actionOf(listBindings, 'k')).toBe('up');
    expect(actionOf(listBindings, 'x')).toBeUndefined();
    expect(['up', 'ctrl-d', 'g', 'enter'].map(keyLabel)).toEqual(['↑', '^d', 'g', '↵']);
  });
});

describe('a list in a window', () => {
  test('keeps the cursor visible and the window full, whatever moves', () => {
    const actions = fc.array(
      fc.constantFrom<ListAction>(
        ...['up', 'down', 'page-up', 'page-down', 'half-up', 'half-down', 'first', 'last'].map(
          (action) => action as ListAction,
        ),
      ),
    );
    fc.assert(
      fc.property(
        actions,
        fc.integer({ min: 0, max: 50 }),
        fc.integer({ min: 1, max: 20 }),
        (moves, count, height) => {
          let window = listStart;
          for (const move of moves) {
            window = moveBy(window, move, { count, height });
            expect(window.cursor).toBeGreaterThanOrEqual(0);
            expect(window.cursor).toBeLessThanOrEqual(Math.max(0, count - 1));
            expect(window.top).toBeLessThanOrEqual(window.cursor);
            expect(window.cursor).toBeLessThan(window.top + height);
            expect(window.top).toBeLessThanOrEqual(Math.max(0, count - height));
          }
        },
      ),
    );
  });

  test('moves no further than needed', () => {
    const size = { count: 100, height: 10 };
    const down = moveTo(listStart, 12, size);
    expect(down).toEqual({ cursor: 12, top: 3 });
    expect(moveTo(down, 5, size)).toEqual({ cursor: 5, top: 3 });
    expect(moveTo(down, 99, { count: 4, height: 10 })).toEqual({ cursor: 3, top: 0 });
  });
});

describe('a line of input', () => {
  const type = (keys: readonly string[], text = ''): string => {
    const line = keys.reduce(editLine, lineOf(text));
    return `${line.before}|${line.after}`;
  };

  test('is edited like a shell', () => {
    expect(type(['a', 'space', 'b'])).toBe('a b|');
    expect(type(['backspace'], '訂🚀')).toBe('訂|');
    expect(type(['left', 'left', 'x'], 'abc')).toBe('ax|bc');
    expect(type(['home', 'delete'], 'abc')).toBe('|bc');
    expect(type(['ctrl-w'], 'one two ')).toBe('one |');
    expect(type(['left', 'ctrl-u'], 'abc')).toBe('|c');
    expect(type(['up', 'f1'], 'abc')).toBe('abc|');
  });

  test('does not grow without end', () => {
    expect(textOf(editLine(lineOf('x'.repeat(4_096)), 'y'))).toHaveLength(4_096);
  });
});

test('a sparkline shows the newest values against the largest', () => {
  expect(sparkline([0, 1, 4, 8], 4)).toBe(' ▁▄█');
  expect(sparkline([9, 8, 8], 2)).toBe('██');
  expect(sparkline([], 5)).toBe('');
});

test('what is copied goes through the terminal, when it is not too much', () => {
  expect(copySequence('hello', {})).toBe('\u001b]52;c;aGVsbG8=\u0007');
  expect(copySequence('x'.repeat(60_000), {})).toBeUndefined();
});
