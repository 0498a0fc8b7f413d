/**
 * What a role sees of its Remoting port: requests come in by code, answers go out. Frames, opaques,
 * one-way requests, limits and batching of writes are the listener's business.
 */
import type { HostPort } from '../../platform/network.ts';
import type { RmqError } from '../../protocol/errors.ts';
import type { ExtFields } from '../../protocol/remoting/command.ts';
import type { RemotingAnswer } from '../../transport/remoting-connection.ts';

/** One client connection of a Remoting port. The same object for all its requests. */
export interface RemotingSession {
  readonly id: number;
  readonly remote: HostPort;
  /** The address by which this client reached us. */
  readonly local: HostPort;
  /** Requests from us to the client on its own connection (facts/remoting.md 5.5). One-way. */
  push(code: number, extFields: ExtFields, body?: Uint8Array): void;
  /** The same with an answer. @throws RmqError TIMEOUT, CONNECTION_LOST. */
  call(
    code: number,
    extFields: ExtFields,
    body: Uint8Array | undefined,
    timeoutMs: number,
  ): Promise<RemotingAnswer>;
  /** Runs when the connection is gone, once; at once when it already is. */
  onClose(run: () => void): void;
  close(): void;
}

export interface RemotingRequest {
  readonly code: number;
  readonly version: number;
  readonly language: string;
  readonly extFields: ExtFields;
  /** A view; who keeps it for long copies it, as it keeps the chunk that it came in. */
  readonly body: Buffer;
  readonly isOneway: boolean;
  readonly session: RemotingSession;
}

export interface AnswerParts {
  /** Remoting response code; 0 SUCCESS. */
  readonly code?: number;
  readonly remark?: string;
  readonly extFields?: ExtFields;
  /** One part or several, written one behind the other without joining them first. */
  readonly body?: Uint8Array | readonly Uint8Array[];
}

/** Called exactly once a request, any time; ignored for one-way requests and gone connections. */
export type Answer = (parts: AnswerParts | RmqError) => void;

/** Throwing an `RmqError` (or anything) answers with its code; a promise is awaited. */
export type RequestHandler = (request: RemotingRequest, answer: Answer) => void | Promise<void>;

/** Handlers by request code. A code that is missing is answered 3 REQUEST_CODE_NOT_SUPPORTED. */
export type HandlerTable = ReadonlyMap<number, RequestHandler>;
