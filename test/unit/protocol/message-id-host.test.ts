import { expect, test } from 'vitest';
import type { PhysicalOffset } from '../../../src/protocol/message/message.ts';
import { offsetMessageIds } from '../../../src/protocol/message/message-id.ts';

test('ids name the port that the broker has by then', () => {
  const host = { address: Buffer.from([127, 0, 0, 1]), port: 0 };
  const idOf = offsetMessageIds(host);
  expect(idOf(16 as PhysicalOffset)).toBe('7F000001000000000000000000000010');
  Object.assign(host, { address: Buffer.from([10, 0, 0, 2]), port: 10_911 });
  expect(idOf(16 as PhysicalOffset)).toBe('0A00000200002A9F0000000000000010');
});
