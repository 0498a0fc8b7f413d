import { expect, test } from 'vitest';
import { emptyFields } from '../../../../src/protocol/remoting/command.ts';

test('names of fields are data, also those that every object has', () => {
  const fields = emptyFields();
  expect(fields['constructor']).toBeUndefined();
  expect(fields['__proto__']).toBeUndefined();
  fields['__proto__'] = 'a';
  fields['toString'] = 'b';
  expect(Object.entries(fields)).toEqual([
    ['__proto__', 'a'],
    ['toString', 'b'],
  ]);
  expect(JSON.stringify(fields)).toBe('{"__proto__":"a","toString":"b"}');
  expect(emptyFields()['__proto__']).toBeUndefined();
  expect(({} as Record<string, unknown>)['a']).toBeUndefined();
});
