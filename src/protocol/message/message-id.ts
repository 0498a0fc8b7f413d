/** The two ids a message has; facts/remoting.md §12.4. */

import { getInt32, getInt64, putInt32 } from './bytes.ts';
import type { PhysicalOffset, RecordHost } from './message.ts';

/**
 * `offsetMsgId`: upper-case hex of the store host's address (4 or 16 bytes), port (4) and the
 * physical offset (8): 32 or 56 digits.
 */
export function encodeOffsetMessageId(host: RecordHost, offset: PhysicalOffset): string {
  return offsetMessageIds(host)(offset);
}

/** The same for many messages of one host, which may change: a broker learns its port when it listens. */
export function offsetMessageIds(host: RecordHost): (offset: PhysicalOffset) => string {
  let { address, port } = host;
  let start = hostDigits(host);
  return (offset) => {
    if (host.address !== address || host.port !== port) {
      ({ address, port } = host);
      start = hostDigits(host);
    }
    return start + hex32(Math.floor(offset / 2 ** 32)) + hex32(offset);
  };
}

function hostDigits({ address, port }: RecordHost): string {
  const size = address.length;
  const bytes = Buffer.allocUnsafe(size + 4);
  bytes.set(address, 0);
  putInt32(bytes, size, port);
  return bytes.toString('hex').toUpperCase();
}

/** Reads an `offsetMsgId`; undefined when it is none. */
export function decodeOffsetMessageId(
  id: string,
): { readonly host: RecordHost; readonly physicalOffset: PhysicalOffset } | undefined {
  if ((id.length !== 32 && id.length !== 56) || !/^[0-9a-fA-F]+$/.test(id)) return undefined;
  const bytes = Buffer.from(id, 'hex');
  const size = bytes.length - 12;
  const port = getInt32(bytes, size);
  const offset = getInt64(bytes, size + 4);
  if (port < 0 || port > 0xffff || offset < 0 || !Number.isSafeInteger(offset)) return undefined;
  return {
    host: { address: bytes.subarray(0, size), port },
    physicalOffset: offset as PhysicalOffset, // checked on the line above
  };
}

const monthMs = 31 * 24 * 3600 * 1000;

/**
 * Makes UNIQ_KEYs in the form of Java's clients: upper-case hex of address, process id (2 bytes),
 * a number that tells makers apart (4), ms within a month (4) and a counter (2). Unique within a
 * process for 65,536 ids a millisecond.
 */
export class UniqueKeyMaker {
  private readonly prefix: string;
  private readonly nowMs: () => number;
  private counter = 0;

  constructor(options: {
    readonly address: Uint8Array;
    readonly pid: number;
    /** Any 32-bit number, random per maker. */
    readonly makerId: number;
    readonly nowMs: () => number;
  }) {
    const size = options.address.length;
    const bytes = Buffer.allocUnsafe(size + 6);
    bytes.set(options.address, 0);
    bytes[size] = options.pid >>> 8;
    bytes[size + 1] = options.pid;
    putInt32(bytes, size + 2, options.makerId);
    this.prefix = bytes.toString('hex').toUpperCase();
    this.nowMs = options.nowMs;
  }

  next(): string {
    this.counter = (this.counter + 1) & 0xffff;
    const time = hex((this.nowMs() % monthMs) >>> 0, 8);
    return this.prefix + time + hex(this.counter, 4);
  }
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0');
}

const bytePairs: readonly string[] = Array.from({ length: 256 }, (_, byte) => hex(byte, 2));

/** The lower 32 bits as 8 digits. */
function hex32(value: number): string {
  const pair = (shift: number): string => bytePairs[(value >>> shift) & 0xff] as string; // below 256
  return pair(24) + pair(16) + pair(8) + pair(0);
}
