/** What the two protocols have in common under load: what is sent, what is received. */
import type { AdminClient } from '../../client/admin-client.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Work } from './load.ts';

export type MessageTypeName = 'NORMAL' | 'FIFO' | 'DELAY' | 'TRANSACTION' | 'PRIORITY';

export interface DriverPlan {
  readonly topics: readonly string[];
  readonly group: string;
  readonly messageType: MessageTypeName;
  readonly bodySizeBytes: number;
  /** Messages of one send. */
  readonly sendCount: number;
  /** Messages of one receive at most. */
  readonly receiveCount: number;
  readonly delayMs: number;
  readonly connectionCount: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** A connection more to the cluster's Remoting ports. */
  readonly connect: () => Connected;
}

export interface Connected {
  readonly admin: AdminClient;
  readonly close: () => Promise<void>;
}

export interface Driver {
  /** Sends. */
  readonly produce: Work;
  /** More workers than this have nothing to receive. */
  readonly consumerCountMax: number;
  /** Receives and acknowledges; `use` gets each body. */
  consume(use: (body: Uint8Array) => void): Work;
  /** Ends receives that wait. */
  cancelReceives(): void;
  close(): Promise<void>;
}

/** Bytes of a body that say when it was due; smaller ones do not. */
export const stampSizeBytes = 16;
const stampMark = 0x524d5142;

/** Writes when the message was due (monotonic ms of this process) into its body. */
export function putStamp(body: Buffer, at: number, dueMs: number): void {
  body.writeUInt32BE(stampMark, at);
  body.writeDoubleBE(dueMs, at + 4);
}

/** When it was due; undefined: the body says nothing. */
export function stampOf(body: Uint8Array): number | undefined {
  if (body.length < stampSizeBytes) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  return view.getUint32(0) === stampMark ? view.getFloat64(4) : undefined;
}

/** A body of that size that no compression shrinks to nothing. */
export function makeBody(sizeBytes: number): Buffer {
  const body = Buffer.allocUnsafe(sizeBytes);
  let seed = 0x2545f491;
  for (let at = 0; at < sizeBytes; at++) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) | 0;
    body[at] = 0x20 + ((seed >>> 16) % 95);
  }
  return body;
}
