/**
 * Every error that a user, a client or an operator can meet, in one table: what it is called, how
 * each protocol says it, how the command line exits, and whether trying again can help. The wire
 * mappings and `docs/reference/errors.md` are made from it.
 */

/** Exit codes of the command line; `docs/reference/exit-codes.md`. */
export const ExitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  notAllowed: 4,
  notFound: 5,
  partial: 6,
  interrupted: 130,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export interface ErrorKind {
  /** Remoting response code; facts/remoting.md 2.2. */
  readonly remoting: number;
  /** `apache.rocketmq.v2.Code`; facts/grpc-v2.md 1.2. */
  readonly grpc: number;
  readonly exit: ExitCode;
  /** Whether the same request may succeed later without anybody changing it. */
  readonly retryable: boolean;
  /** One sentence for the reference. */
  readonly meaning: string;
}

function kind(
  remoting: number,
  grpc: number,
  exit: ExitCode,
  retryable: boolean,
  meaning: string,
): ErrorKind {
  return { remoting, grpc, exit, retryable, meaning };
}

export const errorKinds = {
  INTERNAL: kind(1, 50001, 1, false, 'A defect of ours; the log has the details.'),
  BAD_REQUEST: kind(1, 40000, 2, false, 'The request is malformed.'),
  NOT_SUPPORTED: kind(3, 50100, 1, false, 'This server does not serve that request.'),
  BUSY: kind(2, 42900, 1, true, 'A limit on concurrent work was reached.'),
  TIMEOUT: kind(2, 50400, 3, true, 'The other side did not answer in time.'),
  SHUTTING_DOWN: kind(14, 50001, 1, true, 'The server is stopping.'),

  TOPIC_NOT_FOUND: kind(17, 40402, 5, false, 'No such topic.'),
  TOPIC_EXISTS: kind(18, 40000, 1, false, 'There is already a topic of that name.'),
  ILLEGAL_TOPIC: kind(29, 40002, 2, false, 'The topic name is not allowed.'),
  TOPIC_NOT_ALLOWED: kind(16, 40002, 4, false, 'Clients may not use that system topic.'),
  GROUP_NOT_FOUND: kind(26, 40403, 5, false, 'No such consumer group.'),
  ILLEGAL_GROUP: kind(26, 40003, 2, false, 'The consumer group name is not allowed.'),
  NO_PERMISSION: kind(16, 40300, 4, false, 'The topic or group does not permit that.'),
  UNAUTHORIZED: kind(16, 40100, 4, false, 'The credentials are missing or not sufficient.'),
  ILLEGAL_QUEUE: kind(29, 40000, 2, false, 'The topic has no such queue.'),
  ILLEGAL_OFFSET: kind(29, 40019, 2, false, 'The offset is outside the queue.'),
  OFFSET_NOT_FOUND: kind(22, 40404, 5, false, 'The group has no offset there.'),

  MESSAGE_EMPTY: kind(13, 41302, 2, false, 'The body is empty.'),
  MESSAGE_TOO_LARGE: kind(13, 41301, 2, false, 'The body is over the limit.'),
  PROPERTIES_TOO_LARGE: kind(13, 43101, 2, false, 'The properties are over the limit.'),
  MESSAGE_ILLEGAL: kind(13, 40016, 2, false, 'The message breaks a rule of its topic.'),
  MESSAGE_TYPE_MISMATCH: kind(29, 40014, 2, false, "The message's type is not the topic's."),
  MESSAGE_NOT_FOUND: kind(208, 40401, 5, true, 'There is no such message, or none yet.'),
  CLIENT_NOT_FOUND: kind(206, 40400, 5, false, 'No such client is connected.'),
  TRANSACTION_NOT_FOUND: kind(1, 50001, 5, false, 'No open transaction of that id.'),
  ILLEGAL_DELIVERY_TIME: kind(13, 40012, 2, false, 'The delivery time is too far ahead.'),
  ILLEGAL_FILTER: kind(23, 40010, 2, false, 'The filter expression cannot be parsed.'),
  ILLEGAL_INVISIBLE_TIME: kind(29, 40011, 2, false, 'The invisible time is out of range.'),
  INVALID_RECEIPT_HANDLE: kind(208, 40013, 1, false, 'The receipt handle is expired or unknown.'),
  ILLEGAL_OPERATION: kind(604, 40000, 1, false, 'That cannot be done to this message any more.'),
  POLLING_TIMEOUT: kind(210, 40401, 0, true, 'No message arrived within the polling time.'),
  ILLEGAL_LITE_TOPIC: kind(29, 40020, 2, false, 'The name of the lite topic is not allowed.'),
  LITE_TOPIC_QUOTA_EXCEEDED: kind(2017, 42901, 1, false, 'There are too many lite topics.'),
  LITE_SUBSCRIPTION_QUOTA_EXCEEDED: kind(
    2018,
    42902,
    1,
    false,
    'The client subscribes to too many lite topics.',
  ),
  POLLING_FULL: kind(209, 42900, 1, true, 'Too many receives are parked already.'),

  DISK_FULL: kind(14, 50001, 1, true, 'Too little free disk space to accept messages.'),
  STORE_FAILED: kind(14, 50001, 1, false, 'A write or sync of the commit log failed.'),
  STORE_CORRUPT: kind(1, 50001, 1, false, 'A stored record does not match its checksum.'),
  REPLY_NOT_DELIVERED: kind(1, 50001, 1, true, 'The reply does not reach who asked.'),
  BROKER_NOT_FOUND: kind(1, 50001, 3, true, 'No live broker of that name.'),

  FRAME_TOO_LARGE: kind(1, 40000, 1, false, 'A Remoting frame is over the limit.'),
  BAD_FRAME: kind(1, 40000, 1, false, 'A Remoting frame cannot be decoded.'),
  CANNOT_CONNECT: kind(1, 50001, 3, true, 'The connection was refused or timed out.'),
  CONNECTION_LOST: kind(1, 50001, 3, true, 'The connection closed before the answer came.'),
  PORT_IN_USE: kind(1, 50001, 1, false, 'Another process listens on that port.'),
  ADDRESS_NOT_AVAILABLE: kind(1, 50001, 1, false, 'This machine has no such address.'),
  DATA_DIR_IN_USE: kind(1, 50001, 1, false, 'Another process uses the data folder.'),
  ILLEGAL_CONFIG: kind(1, 50001, 2, false, 'A setting is unknown or has a wrong value.'),
  USAGE: kind(1, 40000, 2, false, 'The command line is wrong.'),
  PARTIAL: kind(1, 50001, 6, true, 'Done in part; what was printed says which.'),
  UNHEALTHY: kind(1, 50001, 1, true, 'The cluster answers, but something in it is wrong.'),
  INTERRUPTED: kind(1, 50001, 130, true, 'Stopped by the user.'),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorKinds;

export interface RmqErrorOptions {
  /** What the user can do, one sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** An error with a stable code; the message names the thing, the value seen, the value allowed. */
export class RmqError extends Error {
  override name = 'RmqError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: RmqErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }

  get kind(): ErrorKind {
    return errorKinds[this.code];
  }
}

/** The error as it is when it is one of ours, else wrapped as INTERNAL with the original as cause. */
export function asRmqError(error: unknown): RmqError {
  if (error instanceof RmqError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new RmqError('INTERNAL', text, { cause: error });
}
