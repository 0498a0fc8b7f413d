/**
 * A Remoting command as values, request or response; facts/remoting.md §1. The bytes are in
 * `frame.ts` and `header.ts`.
 */

/** How a header is written: the top byte of the header word. */
export const SerializeType = { json: 0, rocketmq: 1 } as const;
export type SerializeType = (typeof SerializeType)[keyof typeof SerializeType];

/** Bits of `flag`. */
export const CommandFlag = { response: 1, oneway: 2 } as const;

/** The version that we send: RocketMQ 5.4.0. */
export const protocolVersion = 493;

/**
 * Extension fields: everything is text on the wire. Looked up by names of ours alone, none of which an object has of
 * itself.
 */
export type ExtFields = Record<string, string>;

/**
 * What `Object.create(null)` would give as a dictionary, several times slower to fill and to read: objects of
 * one constructor share their shapes.
 */
const Fields = function Fields(): void {} as unknown as new () => ExtFields; // a constructor without a class's prototype
Fields.prototype = Object.create(null);

/** No fields yet. */
export function emptyFields(): ExtFields {
  return new Fields();
}

export interface RemotingCommand {
  readonly code: number;
  /** Name such as `JAVA`; unknown text is kept as it came. */
  readonly language: string;
  readonly version: number;
  readonly opaque: number;
  readonly flag: number;
  readonly remark: string | undefined;
  readonly extFields: ExtFields;
  /** A view into the received chunk, which nobody writes to; copy what is kept for long, as it keeps all of the chunk. */
  readonly body: Buffer;
  readonly serializeType: SerializeType;
}
