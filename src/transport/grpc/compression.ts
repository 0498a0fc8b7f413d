/**
 * `grpc-encoding`: gzip and deflate (zlib's format). Requests are decompressed off the event loop, few at a
 * time, as the pool that does it also syncs the disk; answers only where they are small enough to be
 * compressed at once.
 */
import { deflateSync, gunzip, gzipSync, inflate } from 'node:zlib';
import { RingQueue } from '../../util/ring-queue.ts';

export type Encoding = 'identity' | 'gzip' | 'deflate';

/** What we understand, as `grpc-accept-encoding` says it. */
export const acceptedEncodings = 'identity,deflate,gzip';

const runningCountMax = 2;
/** Answers below are not worth it, above would hold up everybody else. */
const answerSizeMinBytes = 1_024;
const answerSizeMaxBytes = 256 * 1024;

/** The encoding of a `grpc-encoding` header; undefined when we do not have it. */
export function encodingOf(header: string | undefined): Encoding | undefined {
  if (header === undefined || header === 'identity') return 'identity';
  return header === 'gzip' || header === 'deflate' ? header : undefined;
}

/** The compressed message; undefined where it should go as it is. */
export function compressAnswer(encoding: Encoding, bytes: Uint8Array): Buffer | undefined {
  const { length } = bytes;
  if (encoding === 'identity' || length < answerSizeMinBytes || length > answerSizeMaxBytes) {
    return undefined;
  }
  const compressed = encoding === 'gzip' ? gzipSync(bytes) : deflateSync(bytes);
  return compressed.length < length ? compressed : undefined;
}

type Done = (result: Buffer | Error) => void;

interface Job {
  readonly encoding: Encoding;
  readonly bytes: Buffer;
  readonly done: Done;
}

/** Decompresses requests, two at a time, the rest in order. */
export class Decompressor {
  readonly #sizeMaxBytes: number;
  readonly #waiting = new RingQueue<Job>();
  #runningCount = 0;

  /** `sizeMaxBytes`: no message becomes larger than that, whatever it claims. */
  constructor(sizeMaxBytes: number) {
    this.#sizeMaxBytes = sizeMaxBytes;
  }

  /** `done` gets the message or what was wrong with it, never before this returns. */
  decompress(encoding: Encoding, bytes: Buffer, done: Done): void {
    this.#waiting.push({ encoding, bytes, done });
    this.#next();
  }

  #next(): void {
    if (this.#runningCount >= runningCountMax) return;
    const job = this.#waiting.shift();
    if (job === undefined) return;
    this.#runningCount += 1;
    const finish = (error: Error | null, result: Buffer): void => {
      this.#runningCount -= 1;
      job.done(error ?? result);
      this.#next();
    };
    const options = { maxOutputLength: this.#sizeMaxBytes };
    if (job.encoding === 'gzip') gunzip(job.bytes, options, finish);
    else inflate(job.bytes, options, finish);
  }
}
