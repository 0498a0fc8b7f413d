import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decompressLz4 } from '../../../../src/protocol/message/lz4.ts';
import { plainBody } from '../../../../src/protocol/message/plain-body.ts';
import { SysFlag } from '../../../../src/protocol/message/sys-flag.ts';

const text = 'hello hello hello hello hello hello';
/** Made by the lz4 command: plain, and with content size and block checksums. */
const frames = [
  '04224d186440a7100000006f68656c6c6f200600055068656c6c6f00000000bd9cd674',
  '04224d187c402300000000000000eb100000006f68656c6c6f200600055068656c6c6f7220b52800000000bd9cd674',
].map((hex) => Buffer.from(hex, 'hex'));

test.each([
  ['nothing', 0, Buffer.from(text)],
  ['zlib of old clients', SysFlag.compressed, deflateSync(text)],
  ['zlib', SysFlag.compressed | SysFlag.compressionZlib, deflateSync(text)],
  ['gzip', SysFlag.compressed, gzipSync(text)],
  ['zstd', SysFlag.compressed | SysFlag.compressionZstd, zstdCompressSync(text)],
  ['lz4', SysFlag.compressed | SysFlag.compressionLz4, frames[0]!],
  ['lz4 with checksums', SysFlag.compressed | SysFlag.compressionLz4, frames[1]!],
])('a body compressed with %s comes back', (_how, sysFlag, body) => {
  expect(Buffer.from(plainBody({ body, sysFlag })!).toString()).toBe(text);
});

test('what is no compressed body has no plain one', () => {
  for (const type of [0, SysFlag.compressionLz4, SysFlag.compressionZstd]) {
    const body = Buffer.from('not compressed at all');
    expect(plainBody({ body, sysFlag: SysFlag.compressed | type })).toBeUndefined();
  }
});

test('a frame that holds more than allowed is refused before it is unpacked', () => {
  expect(() => decompressLz4(frames[0]!, 34)).toThrow('holds more than 34 bytes');
});

test('no bytes make it read or write where it must not', () => {
  const index = fc.nat({ max: frames[0]!.length - 1 });
  fc.assert(
    fc.property(fc.array(fc.tuple(index, fc.nat({ max: 255 })), { maxLength: 4 }), (changes) => {
      const frame = Buffer.from(frames[0]!);
      for (const [at, value] of changes) frame[at] = value;
      try {
        expect(decompressLz4(frame, 1_000).length).toBeLessThanOrEqual(1_000);
      } catch (error) {
        expect(String(error)).toContain('the LZ4 frame');
      }
    }),
    { numRuns: 2_000 },
  );
});
