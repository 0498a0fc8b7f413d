/**
 * What a connection is about to send. Frames of a tick are written one behind the other into one piece
 * of memory, which then goes to the socket in one write. The size of the piece follows what the last ticks
 * needed, so that an idle connection holds nothing.
 */
import type { Connection } from '../../platform/network.ts';

const pieceSizeMinBytes = 512;
const pieceSizeMaxBytes = 64 * 1024;
const nothing = Buffer.alloc(0);

export class Outbound {
  /** Memory to write into, from `at` on, after `reserve`. */
  buffer: Buffer = nothing;
  at = 0;
  readonly #connection: Connection;
  #fullPieces: Buffer[] = [];
  #fullSizeBytes = 0;
  #expectedSizeBytes: number = pieceSizeMinBytes;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Bytes that have not been given to the socket. */
  get sizeBytes(): number {
    return this.#fullSizeBytes + this.at;
  }

  /** Makes room for `size` bytes at `at`. */
  reserve(size: number): void {
    if (this.buffer.length - this.at >= size) return;
    if (this.at > 0) {
      this.#fullPieces.push(this.buffer.subarray(0, this.at));
      this.#fullSizeBytes += this.at;
      this.#expectedSizeBytes = pieceSizeMaxBytes;
    }
    this.buffer = Buffer.allocUnsafe(Math.max(size, this.#expectedSizeBytes));
    this.at = 0;
  }

  /** Gives everything to the socket. */
  flush(): void {
    if (this.at === 0) return;
    const last = this.buffer.subarray(0, this.at);
    const size = this.sizeBytes;
    const pieces = this.#fullPieces;
    this.forget();
    if (pieces.length > 0) {
      this.#fullPieces = [];
      for (const piece of pieces) this.#connection.write(piece);
    }
    this.#connection.write(last);
    // Half as much again as now, or a little less than before: sizes settle, peaks are forgotten.
    const wanted = Math.max(
      size + (size >> 1),
      this.#expectedSizeBytes - (this.#expectedSizeBytes >> 3),
    );
    this.#expectedSizeBytes = Math.min(Math.max(wanted, pieceSizeMinBytes), pieceSizeMaxBytes);
  }

  forget(): void {
    this.buffer = nothing;
    this.at = 0;
    this.#fullSizeBytes = 0;
    this.#fullPieces = [];
  }
}
