/** HTTP/2's frame types, flags and settings (RFC 9113 §4, §6), and how a frame's head is written. */

export const FrameType = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  rstStream: 0x3,
  settings: 0x4,
  pushPromise: 0x5,
  ping: 0x6,
  goaway: 0x7,
  windowUpdate: 0x8,
  continuation: 0x9,
} as const;

export const Flag = {
  /** DATA, HEADERS */
  endStream: 0x1,
  /** SETTINGS, PING */
  ack: 0x1,
  /** HEADERS, CONTINUATION */
  endHeaders: 0x4,
  /** DATA, HEADERS */
  padded: 0x8,
  /** HEADERS */
  priority: 0x20,
} as const;

export const Setting = {
  headerTableSize: 0x1,
  enablePush: 0x2,
  maxConcurrentStreams: 0x3,
  initialWindowSize: 0x4,
  maxFrameSize: 0x5,
  maxHeaderListSize: 0x6,
} as const;

/** What a client says first: RFC 9113 §3.4. */
export const clientPreface: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export const frameHeadSizeBytes = 9;
/** The size that every peer takes, and the one that we take: RFC 9113 §4.2. */
export const frameSizeDefaultBytes = 16_384;
export const frameSizeLimitBytes = 2 ** 24 - 1;
/** The window of a connection and of a stream before anybody says something else. */
export const windowDefaultBytes = 65_535;
export const windowMaxBytes = 2 ** 31 - 1;

/**
 * Frame, all integers big-endian.
 *   0  uint24 length of the payload
 *   3  uint8  type
 *   4  uint8  flags
 *   5  uint31 stream, the top bit reserved
 *   9  payload
 */
export function writeFrameHead(
  out: Buffer,
  at: number,
  size: number,
  type: number,
  flags: number,
  streamId: number,
): number {
  out[at] = size >>> 16;
  out[at + 1] = size >>> 8;
  out[at + 2] = size;
  out[at + 3] = type;
  out[at + 4] = flags;
  return writeUint32(out, at + 5, streamId);
}

export function writeUint32(out: Buffer, at: number, value: number): number {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
  return at + 4;
}
