/** Every limit of an HTTP/2 connection, with a name and a number. */
import { frameSizeDefaultBytes } from './frames.ts';

export const http2Limits = {
  /** Calls under way on a connection; a consumer parks a receive for each of its queues. */
  concurrentStreamCountMax: 10_000,
  /** Ours is the size that everybody may send: larger frames win nothing, as bodies are passed on in parts. */
  frameSizeMaxBytes: frameSizeDefaultBytes,
  /** The table of a client's headers. */
  headerTableSizeBytes: 4_096,
  /** A request's headers, with 32 bytes for each. */
  headerListSizeMaxBytes: 32 * 1024,
  /** Headers of all calls under way on a connection; more calls are refused. */
  heldHeadersMaxBytes: 32 << 20,
  /** A header block as it comes, all its frames together, and how many frames. */
  headerBlockSizeMaxBytes: 64 * 1024,
  headerBlockFrameCountMax: 64,
  /** What a client may send on a stream and on the connection before we say more. */
  streamWindowBytes: 4 << 20,
  connectionWindowBytes: 16 << 20,
  /** Requests being worked on: above this nothing more is read from the client. */
  heldRequestMaxBytes: 64 << 20,
  /** Bytes that the socket has not taken: above this no more is written, and nothing read. */
  socketQueueBytes: 1 << 20,
  /** Answers that wait for the client's window: above this it is closed. */
  queuedAnswerMaxBytes: 128 << 20,
  /** From here on a stream asks its producer to wait. */
  streamQueueBytes: 64 * 1024,
  /** A client that takes nothing of what waits for it. */
  stalledMaxMs: 60_000,
  /** Until the client's first SETTINGS. */
  prefaceMaxMs: 30_000,
  /** Silence for this long is asked with a PING; for twice as long it is the end. */
  silenceMs: 120_000,
  /** Streams that we reset and whose client may not know yet. */
  forgottenStreamCountMax: 1_000,
} as const;
