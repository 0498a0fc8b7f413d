/** Bodies as their producers meant them: Remoting producers may compress (facts/store.md §2.1). */
import { gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import { decompressLz4 } from './lz4.ts';
import { SysFlag } from './sys-flag.ts';

/** A compressed body may not become larger than this: a few bytes could else fill the memory. */
const plainMaxBytes = 64 << 20;

/** The body decompressed; undefined when it is marked as compressed and cannot be read. */
export function plainBody(message: {
  readonly body: Uint8Array;
  readonly sysFlag: number;
}): Uint8Array | undefined {
  const { body, sysFlag } = message;
  if ((sysFlag & SysFlag.compressed) === 0) return body;
  const limit = { maxOutputLength: plainMaxBytes };
  try {
    switch (sysFlag & SysFlag.compressionMask) {
      case SysFlag.compressionLz4:
        return decompressLz4(body, plainMaxBytes);
      case SysFlag.compressionZstd:
        return zstdDecompressSync(body, limit);
      default: {
        // Producers over gRPC say GZIP, which the flags call ZLIB.
        const isGzip = body[0] === 0x1f && body[1] === 0x8b;
        return isGzip ? gunzipSync(body, limit) : inflateSync(body, limit);
      }
    }
  } catch {
    return undefined;
  }
}
