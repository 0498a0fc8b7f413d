/** gRPC's messages out of a body: any cut, bounded memory. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AssemblyBudget, MessageReader } from '../../../../src/transport/grpc/message-reader.ts';
import { GrpcError } from '../../../../src/transport/grpc/status.ts';

function framed(message: Uint8Array, flag = 0): Buffer {
  const prefix = Buffer.alloc(5, 0);
  prefix[0] = flag;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function readerInto(seen: string[], budget = new AssemblyBudget(1 << 20)): MessageReader {
  const onMessage = (bytes: Buffer, isCompressed: boolean): void => {
    seen.push(`${isCompressed ? 'z' : '-'}${bytes.toString('hex')}`);
  };
  return new MessageReader({ budget, sizeMaxBytes: 200_000, sink: { onMessage } });
}

describe('MessageReader', () => {
  it('gives the same messages however the body is cut, and holds nothing afterwards', () => {
    const messages = fc.array(fc.tuple(fc.uint8Array({ maxLength: 50 }), fc.boolean()), {
      maxLength: 6,
    });
    fc.assert(
      fc.property(messages, fc.array(fc.nat(400)), (list, cuts) => {
        const body = Buffer.concat(
          list.map(([bytes, isCompressed]) => framed(bytes, isCompressed ? 1 : 0)),
        );
        const budget = new AssemblyBudget(1 << 20);
        const seen: string[] = [];
        const reader = readerInto(seen, budget);
        let begin = 0;
        for (const end of [...cuts.toSorted((a, b) => a - b), body.length]) {
          if (end > begin) reader.push(body.subarray(begin, end));
          begin = Math.max(begin, end);
        }
        const expected = list.map(
          ([bytes, isCompressed]) =>
            `${isCompressed ? 'z' : '-'}${Buffer.from(bytes).toString('hex')}`,
        );
        expect(seen).toEqual(expected);
        expect(reader.isAtEnd).toBe(true);
        expect(budget.usedBytes).toBe(0);
      }),
    );
  });

  it('hands out a view where a message lies in one piece', () => {
    const body = framed(Buffer.from('whole'));
    let seen: Buffer | undefined;
    const sink = {
      onMessage: (bytes: Buffer): void => {
        seen = bytes;
      },
    };
    const options = { budget: new AssemblyBudget(0), sizeMaxBytes: 100, sink };
    new MessageReader(options).push(body);
    expect(seen?.buffer).toBe(body.buffer);
  });

  it('takes memory as bytes come, not as they are announced', () => {
    const budget = new AssemblyBudget(1 << 20);
    const reader = readerInto([], budget);
    const body = framed(Buffer.alloc(150_000));
    reader.push(body.subarray(0, 6));
    expect(budget.usedBytes).toBeLessThanOrEqual(64 * 1024);
    reader.push(body.subarray(6, 100_000));
    expect(budget.usedBytes).toBe(150_000);
    reader.drop();
    expect(budget.usedBytes).toBe(0);
  });

  it('refuses what is too large, too much in all, or no message', () => {
    expect(() => readerInto([]).push(framed(Buffer.alloc(200_001)))).toThrow(/larger than 200000/);
    const budget = new AssemblyBudget(100_000);
    const half = framed(Buffer.alloc(80_000)).subarray(0, 70_000);
    const first = readerInto([], budget);
    first.push(half);
    expect(() => readerInto([], budget).push(half)).toThrow(GrpcError);
    first.drop();
    readerInto([], budget).push(half);
    expect(() => readerInto([]).push(Buffer.from([2, 0, 0, 0, 0]))).toThrow(/message flag 2/);
  });
});
