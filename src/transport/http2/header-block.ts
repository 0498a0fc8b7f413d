/** A header block being gathered from HEADERS and its CONTINUATIONs: RFC 9113 §4.3. */
import { Flag } from './frames.ts';
import { ConnectionError, ErrorCode, paddingSize, wrongSize } from './http2-error.ts';
import { http2Limits } from './limits.ts';

const nothing = Buffer.alloc(0);

/** A block that is complete; the bytes are valid as long as the frame that ended it. */
export interface CompleteBlock {
  readonly streamId: number;
  readonly isEndStream: boolean;
  /** The stream that HEADERS says it depends on; -1: none said. */
  readonly dependency: number;
  readonly bytes: Buffer;
  readonly begin: number;
  readonly end: number;
}

export class HeaderBlock implements CompleteBlock {
  streamId = 0;
  isEndStream = false;
  dependency = -1;
  bytes: Buffer = nothing;
  begin = 0;
  end = 0;
  isComplete = false;
  /** CONTINUATION must follow. */
  isOpen = false;
  #parts: Buffer[] = [];
  #sizeBytes = 0;

  /** HEADERS, its whole payload. */
  start(streamId: number, flags: number, chunk: Buffer, begin: number, end: number): void {
    let from = begin;
    let to = end;
    if ((flags & Flag.padded) !== 0) {
      to -= paddingSize(chunk, begin, end);
      from += 1;
    }
    this.dependency = -1;
    if ((flags & Flag.priority) !== 0) {
      if (to - from < 5) wrongSize('HEADERS with priority');
      this.dependency = chunk.readUInt32BE(from) & 0x7fffffff;
      from += 5;
    }
    this.streamId = streamId;
    this.isEndStream = (flags & Flag.endStream) !== 0;
    this.isComplete = (flags & Flag.endHeaders) !== 0;
    this.isOpen = !this.isComplete;
    if (this.isComplete) {
      this.bytes = chunk;
      this.begin = from;
      this.end = to;
    } else this.#keep(chunk, from, to);
  }

  /** CONTINUATION. @throws ConnectionError ENHANCE_YOUR_CALM when the block does not end. */
  append(flags: number, chunk: Buffer, begin: number, end: number): void {
    this.#keep(chunk, begin, end);
    if ((flags & Flag.endHeaders) === 0) return;
    this.isComplete = true;
    this.isOpen = false;
    this.bytes = Buffer.concat(this.#parts, this.#sizeBytes);
    this.begin = 0;
    this.end = this.#sizeBytes;
    this.#parts = [];
    this.#sizeBytes = 0;
  }

  /** Lets go of the bytes. */
  clear(): void {
    this.bytes = nothing;
    this.isComplete = false;
  }

  #keep(chunk: Buffer, begin: number, end: number): void {
    this.#parts.push(Buffer.from(chunk.subarray(begin, end)));
    this.#sizeBytes += end - begin;
    const isTooLong =
      this.#sizeBytes > http2Limits.headerBlockSizeMaxBytes ||
      this.#parts.length > http2Limits.headerBlockFrameCountMax;
    if (isTooLong) {
      throw new ConnectionError(ErrorCode.enhanceYourCalm, 'a header block that does not end');
    }
  }
}
