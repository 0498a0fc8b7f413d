import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TagFilter } from '../../../../src/protocol/filter/tag-filter.ts';
import { javaHashCode } from '../../../../src/protocol/message/java-hash.ts';
import { encodeProperties } from '../../../../src/protocol/message/properties.ts';

/** Properties of a message with that tag. */
function tagged(tag: string | undefined): Uint8Array {
  return encodeProperties(tag === undefined ? {} : { TAGS: tag });
}

test.each(['*', '', '  ', '||', ' * '])('%j takes everything', (expression) => {
  const filter = new TagFilter(expression);
  expect(filter.isAll).toBe(true);
  expect(filter.mayMatch(123)).toBe(true);
  expect(filter.matches(tagged(undefined))).toBe(true);
});

test('tags are split at || and trimmed; a single | is part of a name', () => {
  const filter = new TagFilter(' A || B|C ||');
  expect(filter.matches(tagged('A'))).toBe(true);
  expect(filter.matches(tagged('B|C'))).toBe(true);
  expect(filter.matches(tagged('B'))).toBe(false);
  expect(filter.matches(tagged(undefined))).toBe(false);
});

test('a tag that is listed always passes the hash, one that is not never the text', () => {
  const tag = fc.stringMatching(/^[a-zA-Z0-9_]{1,8}$/);
  fc.assert(
    fc.property(fc.uniqueArray(tag, { minLength: 1, maxLength: 6 }), tag, (tags, other) => {
      const filter = new TagFilter(tags.join(' || '));
      for (const one of tags) {
        expect(filter.mayMatch(javaHashCode(one))).toBe(true);
        expect(filter.matches(tagged(one))).toBe(true);
      }
      expect(filter.matches(tagged(other))).toBe(tags.includes(other));
    }),
  );
});
