/** HTTP/2 from a client's side, frame by frame: for tests that misbehave and for a load generator that is light. */
import {
  clientPreface,
  Flag,
  FrameType,
  frameHeadSizeBytes,
  writeFrameHead,
} from '../../src/transport/http2/frames.ts';

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

const nothing = Buffer.alloc(0);

export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = nothing,
): Buffer {
  const out = Buffer.alloc(frameHeadSizeBytes + payload.length);
  writeFrameHead(out, 0, payload.length, type, flags, streamId);
  out.set(payload, frameHeadSizeBytes);
  return out;
}

/** Pairs of setting and value. */
export function settingsFrame(...pairs: ReadonlyArray<readonly [number, number]>): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  pairs.forEach(([id, value], index) => {
    payload.writeUInt16BE(id, index * 6);
    payload.writeUInt32BE(value, index * 6 + 2);
  });
  return frame(FrameType.settings, 0, 0, payload);
}

export function windowUpdateFrame(streamId: number, bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes, 0);
  return frame(FrameType.windowUpdate, 0, streamId, payload);
}

/** What a client begins with. */
export function greeting(...settings: ReadonlyArray<readonly [number, number]>): Buffer {
  return Buffer.concat([clientPreface, settingsFrame(...settings)]);
}

/** A gRPC message in one DATA frame that ends the request. */
export function messageFrame(streamId: number, message: Uint8Array): Buffer {
  const payload = Buffer.alloc(5 + message.length);
  payload.writeUInt32BE(message.length, 1);
  payload.set(message, 5);
  return frame(FrameType.data, Flag.endStream, streamId, payload);
}

/** Cuts a server's bytes into frames; what is left of them comes with the next. */
export class FrameCutter {
  #rest: Buffer = nothing;

  push(chunk: Buffer, take: (frame: RawFrame) => void): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= frameHeadSizeBytes) {
      const size = bytes.readUIntBE(at, 3);
      const end = at + frameHeadSizeBytes + size;
      if (end > bytes.length) break;
      take({
        type: bytes.readUInt8(at + 3),
        flags: bytes.readUInt8(at + 4),
        streamId: bytes.readUInt32BE(at + 5),
        payload: bytes.subarray(at + frameHeadSizeBytes, end),
      });
      at = end;
    }
    this.#rest = bytes.subarray(at);
  }
}
