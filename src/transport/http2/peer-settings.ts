/** What a client's SETTINGS change: RFC 9113 §6.5.2. */
import { frameSizeDefaultBytes, frameSizeLimitBytes, Setting, windowMaxBytes } from './frames.ts';
import { ConnectionError, ErrorCode, protocolError } from './http2-error.ts';
import type { Sender } from './sender.ts';
import type { Http2Stream } from './stream.ts';

/** `payload`: whole pairs of a uint16 and a uint32. @throws ConnectionError on values out of range. */
export function applySettings(
  payload: Buffer,
  sender: Sender,
  streams: ReadonlyMap<number, Http2Stream>,
): void {
  for (let at = 0; at < payload.length; at += 6) {
    const id = payload.readUInt16BE(at);
    const value = payload.readUInt32BE(at + 2);
    if (id === Setting.headerTableSize) sender.encoder.resize(value);
    else if (id === Setting.enablePush) {
      if (value > 1) protocolError(`ENABLE_PUSH ${value}`);
    } else if (id === Setting.initialWindowSize) resizeWindows(value, sender, streams);
    else if (id === Setting.maxFrameSize) {
      if (value < frameSizeDefaultBytes || value > frameSizeLimitBytes) {
        protocolError(`MAX_FRAME_SIZE ${value}`);
      }
      // Larger frames would win us nothing, and keep other streams waiting.
      sender.frameSizeMaxBytes = Math.min(value, frameSizeOwnMaxBytes);
    }
    // The rest binds nobody here: we open no streams, and our headers are few. Unknown ones are passed over.
  }
}

const frameSizeOwnMaxBytes = 64 * 1024;

function resizeWindows(
  bytes: number,
  sender: Sender,
  streams: ReadonlyMap<number, Http2Stream>,
): void {
  const tooLarge = (): never => {
    throw new ConnectionError(ErrorCode.flowControlError, `INITIAL_WINDOW_SIZE ${bytes}`);
  };
  if (bytes > windowMaxBytes) tooLarge();
  const change = bytes - sender.initialWindowBytes;
  sender.initialWindowBytes = bytes;
  for (const stream of streams.values()) {
    if (!sender.enlargeStreamWindow(stream, change)) tooLarge();
  }
  sender.resume();
}
