import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Advertised } from '../../../../src/server/shared/advertise.ts';

test('one address for all, with our port where it names none', () => {
  expect(Advertised.parse('mq.example.com', 8081)?.addressFor('10.0.0.9')).toEqual({
    host: 'mq.example.com',
    port: 8081,
  });
  expect(Advertised.parse('[fd00::1]:9000', 8081)?.fallback).toEqual({
    host: 'fd00::1',
    port: 9000,
  });
  expect(Advertised.parse('fd00::1', 8081)?.fallback).toEqual({ host: 'fd00::1', port: 8081 });
});

test('by the network of who asks; IPv4 in IPv6 is IPv4', () => {
  const text = '10.0.0.0/8=10.1.2.3;fd00::/8=[fd00::3]:1;203.0.113.5:18081';
  const table = Advertised.parse(text, 8081);
  expect(table?.addressFor('10.200.0.1')).toEqual({ host: '10.1.2.3', port: 8081 });
  expect(table?.addressFor('::ffff:10.200.0.1')).toEqual({ host: '10.1.2.3', port: 8081 });
  expect(table?.addressFor('fd12::1%eth0')).toEqual({ host: 'fd00::3', port: 1 });
  expect(table?.addressFor('198.51.100.1')).toEqual({ host: '203.0.113.5', port: 18_081 });
  expect(table?.addresses()).toHaveLength(3);
  expect(String(table)).toBe('10.0.0.0/8=10.1.2.3:8081;fd00::/8=[fd00::3]:1;203.0.113.5:18081');
});

test('without an entry for all the others hear nothing', () => {
  const table = Advertised.parse('10.0.0.0/8=10.1.2.3', 8081);
  expect(table?.addressFor('192.0.2.1')).toBeUndefined();
  expect(table?.addressFor('not an address')).toBeUndefined();
});

test.each([
  '10.0.0.0/33=host',
  '10.0.0/8=host',
  '=host',
  'a b',
  'host:0',
  'host:99999',
  ';',
  'host;'.repeat(20),
  '-host',
])('%s is refused', (text) => {
  expect(Advertised.parse(text, 8081)).toBeUndefined();
});

test('what it says it reads again; any text is read or refused', () => {
  const address = fc.oneof(fc.ipV4(), fc.domain(), fc.constant('[fd00::1]'));
  const network = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 }));
  const entry = fc
    .tuple(fc.option(network), address, fc.integer({ min: 1, max: 65_535 }))
    .map(([net, host, port]) => `${net === null ? '' : `${net[0]}/${net[1]}=`}${host}:${port}`);
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 8 }), (entries) => {
      const text = entries.join(';');
      if (text.length <= 2_048) expect(String(Advertised.parse(text, 1))).toBe(text);
    }),
  );
  fc.assert(
    fc.property(fc.string(), (text) => {
      Advertised.parse(text, 1);
    }),
  );
});
