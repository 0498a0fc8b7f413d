/** SQL92 filters by Apache's rules; the rows are those that were run through Apache's library. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RmqError } from '../../../../src/protocol/errors.ts';
import { compileFilter } from '../../../../src/protocol/filter/message-filter.ts';
import { encodeProperties } from '../../../../src/protocol/message/properties.ts';

const properties = encodeProperties({
  a: '5',
  b: 'abc',
  f: '3.5',
  t: 'true',
  neg: '-7',
  sp: ' 5 ',
  q: "it's",
  big: '9223372036854775807',
  huge: '99999999999',
  TAGS: 'red',
});

/** Whether the message above matches, or `refused`. */
function outcome(expression: string): boolean | 'refused' {
  try {
    return compileFilter({ type: 'SQL92', expression }).matches(properties);
  } catch (error) {
    if (error instanceof RmqError && error.code === 'ILLEGAL_FILTER') return 'refused';
    throw error;
  }
}

describe('matches', () => {
  test.each(
    `a = '5' | a = 5 | a = 5.0 | a = 5L | a = 5e0 | 5 = a | 4 < a | a > 4.5 | a <> '6'
    t = TRUE | (a > 1) = TRUE | b = 'abc' = TRUE | 1 = 1 | TRUE | q = 'it''s'
    a between 1 and 9 and b = 'abc' | big = 9223372036854775807 | a = 5 /* c */ AND b = 'abc'
    a = 5 -- c | f > 3.0 | neg = -7 | neg < -6.5 | +a = 5 | sp = 5.0 | missing IS NULL | a IS NOT NULL
    NULL IS NULL | b IN ('x', 'abc') | b NOT IN ('x') | a NOT BETWEEN 6 AND 9 | b CONTAINS 'bc'
    b STARTSWITH 'ab' | b endswith 'bc' | b NOT CONTAINS 'x' | missing = 1 OR TRUE | NOT t
    NOT (a = 6) | TAGS = 'red' | a = 5 garbage | a >= 5 AND a <= 5 | f < a | 1 = 1.0 | 2 > 1L
    a=5and b='abc'`.split(/\s*[|\n]\s*/),
  )('%s', (expression) => expect(outcome(expression)).toBe(true));
});

describe('does not match', () => {
  test.each(
    `b = 3 | b > 3 | b <> 3 | f = 3 | f > 3 | sp = 5 | NOT (b = 3) | huge = 5 | NOT (huge = 5)
    missing <> 1 | NOT (missing = 1) | missing AND TRUE | missing = 1 OR FALSE | missing BETWEEN 1 AND 2
    missing IN ('a') | missing NOT IN ('a') | missing NOT CONTAINS 'x' | b NOT CONTAINS ''
    a = f | b = TRUE | t | NOT a = 5 | b LIKE 'a%' | a + 1 = 6 | a = 05 | -a = 5 | a = '05'
    A = 5 | FALSE | NULL | 'x' | 5 | a = 5 AND b`.split(/\s*[|\n]\s*/),
  )('%s', (expression) => expect(outcome(expression)).toBe(false));
});

describe('is refused', () => {
  test.each([
    ...`a IN (5) | a IN (NULL) | 'abc' IN ('abc') | b CONTAINS b | big = 9223372036854775808 | a > '4'
    a < 6 < 7 | a = NULL | a <> NULL | a = 0.0 | a BETWEEN 9 AND 1 | a BETWEEN 'a' AND 'b' | a != 5
    a * 5 | .x = 1 | b = "x" | a IN () | (a = 5 | a = | AND | a BETWEEN 1 | a > TRUE | b NOT LIKE 'x'
    a = 'open`.split(/\s*[|\n]\s*/),
    '',
    ' ',
    `${'('.repeat(1_000)}a = 5${')'.repeat(1_000)}`,
    'a'.repeat(70_000),
  ])('%s', (expression) => expect(outcome(expression)).toBe('refused'));
});

test('says what is wrong, and where', () => {
  expect(() => compileFilter({ type: 'SQL92', expression: 'a = 5 AND b != 3' })).toThrow(
    'SQL92 filter: "!" is not allowed at character 13',
  );
});

test('500 brackets are fine', () => {
  expect(outcome(`${'('.repeat(500)}a = 5${')'.repeat(500)}`)).toBe(true);
});

type Tree =
  | {
      readonly type: 'test';
      readonly name: string;
      readonly sign: '=' | '<>' | '<' | '>=';
      readonly value: number;
    }
  | { readonly type: 'null'; readonly name: string }
  | { readonly type: 'not'; readonly inside: Tree }
  | { readonly type: 'and' | 'or'; readonly left: Tree; readonly right: Tree };

const name = fc.constantFrom('p', 'q', 'r');
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5 },
    fc.record({
      type: fc.constant('test' as const),
      name,
      sign: fc.constantFrom('=' as const, '<>' as const, '<' as const, '>=' as const),
      value: fc.integer({ min: -3, max: 3 }),
    }),
    fc.record({ type: fc.constant('null' as const), name }),
    fc.record({ type: fc.constant('not' as const), inside: tie('tree') }),
    fc.record({
      type: fc.constantFrom('and' as const, 'or' as const),
      left: tie('tree'),
      right: tie('tree'),
    }),
  ),
}));

function print(node: Tree): string {
  switch (node.type) {
    case 'test':
      return `${node.name} ${node.sign} ${node.value}`;
    case 'null':
      return `${node.name} IS NULL`;
    case 'not':
      return `NOT (${print(node.inside)})`;
    default:
      return `(${print(node.left)}) ${node.type.toUpperCase()} (${print(node.right)})`;
  }
}

/** Three-valued logic, as one would write it down. */
function value(node: Tree, of: Readonly<Record<string, number | undefined>>): boolean | undefined {
  switch (node.type) {
    case 'test': {
      const found = of[node.name];
      if (found === undefined) return undefined;
      if (node.sign === '=') return found === node.value;
      if (node.sign === '<>') return found !== node.value;
      return node.sign === '<' ? found < node.value : found >= node.value;
    }
    case 'null':
      return of[node.name] === undefined;
    case 'not': {
      const inside = value(node.inside, of);
      return inside === undefined ? undefined : !inside;
    }
    default: {
      const sides = [value(node.left, of), value(node.right, of)];
      const winner = node.type === 'or';
      if (sides.includes(winner)) return winner;
      return sides.includes(undefined) ? undefined : !winner;
    }
  }
}

test('agrees with a plain model of three-valued logic', () => {
  const numbers = fc.option(fc.integer({ min: -3, max: 3 }), { nil: undefined });
  fc.assert(
    fc.property(tree, numbers, numbers, numbers, (node, p, q, r) => {
      const given = Object.entries({ p, q, r }).filter(([, number]) => number !== undefined);
      const encoded = encodeProperties(
        Object.fromEntries(given.map(([key, number]) => [key, String(number)])),
      );
      const filter = compileFilter({ type: 'SQL92', expression: print(node) });
      expect(filter.matches(encoded)).toBe(value(node, { p, q, r }) === true);
    }),
    { numRuns: 500 },
  );
});

test('no text does anything but match, not match, or be refused', () => {
  const words = fc.constantFrom(
    ..."a b AND OR NOT IN BETWEEN IS NULL TRUE CONTAINS = <> < >= ( ) , + - 5 5.5 1e400 'x' '\" ! /* -- ; \u0000 ü".split(
      ' ',
    ),
  );
  fc.assert(
    fc.property(
      fc.array(fc.oneof(words, fc.string({ maxLength: 5 })), { maxLength: 30 }),
      (parts) => {
        expect([true, false, 'refused']).toContain(outcome(parts.join(' ')));
      },
    ),
    { numRuns: 2_000 },
  );
});
