/** What filters mean, and what they answer to nonsense. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bodyIs, parseCondition } from '../../../../src/commands/tail/condition.ts';
import { compileFormat } from '../../../../src/commands/tail/format.ts';
import { parseJsonCondition } from '../../../../src/commands/tail/json-condition.ts';
import { RmqError } from '../../../../src/protocol/errors.ts';
import { entryOf } from '../../../support/tail-entry.ts';

const order = entryOf({
  topic: 'orders-eu',
  body: '{"id":7,"state":"newly paid","items":[{"price":5},{"price":20}],"a b":true,"n":null}',
  properties: { TAGS: 'paid', KEYS: 'order-17 u-1', region: 'eu', price: '12', UNIQ_KEY: '7F00' },
});

describe('a filter line', () => {
  test.each([
    ['tag:paid', true],
    ['tag:new||paid', true],
    ['tag:new', false],
    ['key:u-1', true],
    ['key:order-1', false],
    ['region=eu', true],
    ['region=us', false],
    ['region=*', true],
    ['country=*', false],
    ['topic:orders-*', true],
    ['topic:orders', false],
    ['queue:2', true],
    ['broker:broker-a', true],
    ['id:7F00', true],
    ['sql:"price > 10 AND region = \'eu\'"', true],
    ['sql:"price > 100"', false],
    ['PAID', false],
    ['newly', true],
    ['"newly paid"', true],
    ['!refused', true],
    ['!tag:paid', false],
    ['/NEWLY\\s+p/i', true],
    ['$.id == 7', true],
    ['$.id == 7 tag:paid newly', true],
    ['$.id == 7 tag:new', false],
    ['($.id == 8 || $.state =~ /^newly/) key:u-1', true],
    ['note:this', false],
  ])('%s: %s', (line, expected) => {
    expect(parseCondition(line)?.(order)).toBe(expected);
  });

  test('that is empty is none', () => {
    expect(parseCondition('   ')).toBeUndefined();
  });

  test('throws nothing but ILLEGAL_FILTER, whatever is typed', () => {
    const token = ['$', '.', '[', ']', '(', ')', '!', '/', '==', '"', "'", 'tag:', 'sql:', ' '];
    const pieces = fc.array(fc.oneof(fc.constantFrom(...token), fc.string({ maxLength: 4 })), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(pieces, (parts) => {
        try {
          parseCondition(parts.join(''))?.(order);
        } catch (error) {
          expect(error).toBeInstanceOf(RmqError);
          expect((error as RmqError).code).toBe('ILLEGAL_FILTER');
        }
      }),
    );
  });
});

describe('a JSON condition', () => {
  test.each([
    ['$.items[*].price > 10', true],
    ['$.items[*].price > 20', false],
    ['$.items[0].price <= 5', true],
    ['$.items[-1].price == 20', true],
    ["$['a b'] == true", true],
    ['$.n == null', true],
    ['$.missing', false],
    ['$.missing != 3', true],
    ['$.id != 7', false],
    ["$.state >= 'new'", true],
    ["$.id == '7'", false],
    ['$.* == 7', true],
    ['$.constructor', false],
    ['$.id == 7 && !($.id > 8)', true],
    ['$.id == 8 || $.id == 7 && $.n', true],
  ])('%s: %s', (text, expected) => {
    expect(parseJsonCondition(text)(order.json())).toBe(expected);
  });

  test.each(['$.', '$.a ==', '$.a == x', '$[', '$.a =~ /(/', '(', `${'('.repeat(100)}$`, '$.a b'])(
    '%s is refused',
    (text) => {
      expect(() => parseJsonCondition(text)).toThrow(RmqError);
    },
  );

  test('of a body that is no JSON holds nowhere', () => {
    expect(parseJsonCondition('$')(entryOf({ body: 'text' }).json())).toBe(false);
  });
});

test('text finds both cases unless it has capitals', () => {
  const entry = entryOf({ body: 'Order Refused' });
  expect(bodyIs('refused')(entry)).toBe(true);
  expect(bodyIs('Refused')(entry)).toBe(true);
  expect(bodyIs('REFUSED')(entry)).toBe(false);
  expect(bodyIs('x')(entryOf({ body: Uint8Array.of(0xff, 0xfe) }))).toBe(false);
});

test('a format prints what it names and refuses what it does not know', () => {
  expect(compileFormat('%t %q@%o %T %k %{region} %s%%\\t%i')(order)).toBe(
    'orders-eu 2@5 paid order-17 u-1 eu 84%\t7F00\n',
  );
  expect(compileFormat('%b\\0')(entryOf({ body: 'x' }))).toBe('x\0');
  expect(compileFormat('%b')(entryOf({ body: Uint8Array.of(0xff) }))).toBe('/w==\n');
  expect(() => compileFormat('%y')).toThrow('there is no %y');
  expect(() => compileFormat('%{a')).toThrow('%{NAME}');
});
