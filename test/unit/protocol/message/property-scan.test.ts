/** The one pass over properties says what reading each property by itself says. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { javaHashCode } from '../../../../src/protocol/message/java-hash.ts';
import { findProperty } from '../../../../src/protocol/message/properties.ts';
import { PropertyName } from '../../../../src/protocol/message/property-names.ts';
import { hashOf, PropertyScan, textOf } from '../../../../src/protocol/message/property-scan.ts';

const specialNames = [
  PropertyName.popCheckpoint,
  PropertyName.timerSource,
  PropertyName.timerDelaySeconds,
  PropertyName.timerDelayMs,
  PropertyName.timerDeliverMs,
  PropertyName.timerDeleteUniqueKey,
  PropertyName.transactionPrepared,
  PropertyName.traceOn,
  PropertyName.cluster,
  PropertyName.region,
  PropertyName.priority,
  PropertyName.delayLevel,
];
const names = fc.oneof(
  fc.constantFrom('UNIQ_KEY', 'KEYS', 'TAGS', 'WAIT', 'T', 'UNIQ_KEY2', 'TAGSX', ...specialNames),
  fc.string({ maxLength: 6 }),
);
const pair = fc
  .tuple(
    names,
    fc.string({ maxLength: 8, unit: 'grapheme' }),
    fc.constantFrom('\u0002', '\u0002', ''),
  )
  .map(([name, value, end]) => `${name}\u0001${value}${end}`);
const properties = fc.array(pair, { maxLength: 6 }).map((pairs) => Buffer.from(pairs.join('')));

test('the ranges are those of the values', () => {
  const scan = new PropertyScan();
  fc.assert(
    fc.property(properties, (bytes) => {
      scan.read(bytes);
      for (const [range, name] of [
        [scan.uniqueKey, 'UNIQ_KEY'],
        [scan.keys, 'KEYS'],
        [scan.tags, 'TAGS'],
      ] as const) {
        const text = range.end === 0 ? undefined : textOf(bytes, range.begin, range.end);
        expect(text).toBe(findProperty(bytes, name));
        if (text !== undefined) {
          expect(hashOf(0, bytes, range.begin, range.end)).toBe(javaHashCode(text));
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('what is plain has none of the names that are not', () => {
  const scan = new PropertyScan();
  fc.assert(
    fc.property(properties, (bytes) => {
      scan.read(bytes);
      const special = specialNames.filter((name) => findProperty(bytes, name) !== undefined);
      if (scan.isPlain) expect(special).toEqual([]);
    }),
    { numRuns: 500 },
  );
  scan.read(
    Buffer.from('UNIQ_KEY\u0001A\u0002WAIT\u0001true\u0002TAGS\u0001a\u0002KEYS\u0001k\u0002'),
  );
  expect(scan.isPlain).toBe(true);
});
