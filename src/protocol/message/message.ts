/**
 * What a message is between the protocols and the store. The record's bytes are in `record.ts`,
 * its properties in `properties.ts`.
 */

/** A position in a message queue: the n-th message of the queue, from 0. */
export type QueueOffset = number & { readonly _: 'queue' };
/** A position in the commit log, in bytes from its very first byte. */
export type PhysicalOffset = number & { readonly _: 'physical' };

/** An address as a record holds it: 4 or 16 bytes and a port. */
export interface RecordHost {
  readonly address: Uint8Array;
  readonly port: number;
}

/**
 * A message on its way into the store. Body and properties are views that stay valid until the
 * append has been answered; nobody changes them in between.
 */
export interface MessageDraft {
  readonly topic: string;
  readonly queueId: number;
  /** The user's flag of 4.x clients. */
  readonly flag: number;
  /** Bits of `sys-flag.ts`. The store adds the bits for the hosts' address families. */
  readonly sysFlag: number;
  readonly bornTimestampMs: number;
  readonly bornHost: RecordHost;
  /** Deliveries before this record; 0 for a new message. */
  readonly reconsumeTimes: number;
  /** Commit records: physical offset of the half message; else 0. */
  readonly preparedTransactionOffset: number;
  readonly body: Uint8Array;
  /** Encoded properties, `name 0x01 value 0x02` repeated, UTF-8, at most 32,767 bytes. */
  readonly properties: Uint8Array;
}

/** The draft in a queue, with these properties: always one shape, since the store's hot path reads it. */
export function placedDraft(
  draft: MessageDraft,
  queueId: number,
  properties: Uint8Array,
): MessageDraft {
  return {
    topic: draft.topic,
    queueId,
    flag: draft.flag,
    sysFlag: draft.sysFlag,
    bornTimestampMs: draft.bornTimestampMs,
    bornHost: draft.bornHost,
    reconsumeTimes: draft.reconsumeTimes,
    preparedTransactionOffset: draft.preparedTransactionOffset,
    body: draft.body,
    properties,
  };
}

/** A record read back. `body` and `properties` are views into the bytes it was decoded from. */
export interface StoredMessage extends MessageDraft {
  readonly queueOffset: QueueOffset;
  readonly physicalOffset: PhysicalOffset;
  readonly storeTimestampMs: number;
  readonly storeHost: RecordHost;
  /** Bytes of the whole record. */
  readonly storeSizeBytes: number;
  readonly bodyCrc: number;
}
