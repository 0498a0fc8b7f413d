/**
 * The commit log's record, byte for byte Apache's; facts/store.md §2. All integers big-endian.
 * ```
 *   0  int32  size of the whole record
 *   4  int32  magic: v1 0xDAA320A7, v2 0xDAA320AB (topic over 127 bytes), blank 0xCBD43194
 *   8  int32  CRC-32 of the body & 0x7fffffff, 0 for an empty body
 *  12  int32  queueId            16  int32  flag
 *  20  int64  queueOffset        28  int64  physicalOffset
 *  36  int32  sysFlag            40  int64  bornTimestamp
 *  48  bornHost: address (4, or 16 with sysFlag 0x10), port int32
 *      int64  storeTimestamp
 *      storeHost: address (4, or 16 with sysFlag 0x20), port int32
 *      int32  reconsumeTimes     int64  preparedTransactionOffset
 *      int32  body length, body
 *      uint8 (v1) or int16 (v2) topic length, topic
 *      int16  properties length, properties
 * ```
 * Optionally the properties end in `__CRC32#` 0x01, ten digits, 0x02: a checksum of all that is in
 * front of it (facts/store.md §4.2). Ours always do, since the body's CRC says nothing of a torn topic
 * or properties. It is no property to anybody above: decoding takes it off, encoding puts it back.
 */
import { crc32 } from 'node:zlib';
import { getInt16, getInt32, getInt64, putInt16, putInt32, putInt64 } from './bytes.ts';
import type {
  MessageDraft,
  PhysicalOffset,
  QueueOffset,
  RecordHost,
  StoredMessage,
} from './message.ts';
import { propertiesSizeMax } from './properties.ts';
import { SysFlag } from './sys-flag.ts';

const magicV1 = 0xdaa320a7 | 0;
const magicV2 = 0xdaa320ab | 0;
const magicBlank = 0xcbd43194 | 0;
export const recordMagics: readonly number[] = [magicV1, magicV2];
/** The first bytes of both magic codes. */
export const recordMagicBegin: Buffer = Buffer.from([0xda, 0xa3, 0x20]);

/** Bytes of a record without body, topic and properties: v1, both hosts IPv4. */
export const recordSizeMin = 91;
/** A record closes its segment only if this much is left behind it; facts/store.md §3. */
export const blankSizeBytes = 8;

const checksumSizeBytes = 20;
/** What the checksum may add to the properties, with the mark that ends the last one. */
export const checksumRoomBytes: number = checksumSizeBytes + 1;
const checksumName = Buffer.from('__CRC32#\u0001', 'latin1');
const pairEnd = 0x02;
const topicSizeMaxV1 = 127;

/** Where a draft is put. One object is reused for many records. */
export class RecordPlacement {
  queueOffset = 0;
  physicalOffset = 0;
  storeTimestampMs = 0;
  storeHost: RecordHost;
  /** Whether the checksum over the whole record is added. */
  hasChecksum: boolean;

  constructor(storeHost: RecordHost, hasChecksum: boolean) {
    this.storeHost = storeHost;
    this.hasChecksum = hasChecksum;
  }
}

/**
 * Bytes of properties that the record will hold, the checksum included. The checksum is left out
 * where it would take the properties over their limit.
 */
function storedPropertiesSize(properties: Uint8Array, hasChecksum: boolean): number {
  const size = properties.length;
  return hasChecksum && hasRoomForChecksum(size)
    ? size + (isClosed(properties) ? 0 : 1) + checksumSizeBytes
    : size;
}

function hasRoomForChecksum(propertiesSize: number): boolean {
  return propertiesSize + checksumRoomBytes <= propertiesSizeMax;
}

function isClosed(properties: Uint8Array): boolean {
  return properties.length === 0 || properties[properties.length - 1] === pairEnd;
}

/** Bytes that `encodeRecord` will write. `topicSize` is in bytes of UTF-8. */
export function recordSizeBytes(
  draft: MessageDraft,
  topicSize: number,
  placement: RecordPlacement,
): number {
  return (
    recordSizeMin +
    (draft.bornHost.address.length - 4) +
    (placement.storeHost.address.length - 4) +
    draft.body.length +
    topicSize +
    (topicSize > topicSizeMaxV1 ? 1 : 0) +
    storedPropertiesSize(draft.properties, placement.hasChecksum)
  );
}

/**
 * Writes the record at `at` and returns its size, which is what `recordSizeBytes` said; the caller
 * has made sure that it fits. `topic` is the draft's topic in UTF-8.
 */
export function encodeRecord(
  out: Buffer,
  at: number,
  draft: MessageDraft,
  topic: Uint8Array,
  placement: RecordPlacement,
): number {
  const isV2 = topic.length > topicSizeMaxV1;
  const propertiesSize = storedPropertiesSize(draft.properties, placement.hasChecksum);
  const size = recordSizeBytes(draft, topic.length, placement);
  putInt32(out, at, size);
  putInt32(out, at + 4, isV2 ? magicV2 : magicV1);
  putInt32(out, at + 8, bodyChecksum(draft.body));
  putInt32(out, at + 12, draft.queueId);
  putInt32(out, at + 16, draft.flag);
  putInt64(out, at + 20, placement.queueOffset);
  putInt64(out, at + 28, placement.physicalOffset);
  putInt32(out, at + 36, withHostFlags(draft.sysFlag, draft.bornHost, placement.storeHost));
  putInt64(out, at + 40, draft.bornTimestampMs);
  let to = putHost(out, at + 48, draft.bornHost);
  to = putInt64(out, to, placement.storeTimestampMs);
  to = putHost(out, to, placement.storeHost);
  to = putInt32(out, to, draft.reconsumeTimes);
  to = putInt64(out, to, draft.preparedTransactionOffset);
  to = putInt32(out, to, draft.body.length);
  out.set(draft.body, to);
  to += draft.body.length;
  if (isV2) {
    to = putInt16(out, to, topic.length);
  } else {
    out[to++] = topic.length;
  }
  out.set(topic, to);
  to = putInt16(out, to + topic.length, propertiesSize);
  out.set(draft.properties, to);
  to += draft.properties.length;
  if (propertiesSize !== draft.properties.length) {
    if (!isClosed(draft.properties)) out[to++] = pairEnd;
    putChecksum(out, to, recordChecksum(out, at, to));
  }
  return size;
}

/** Writes the 8 bytes that close a segment; `restSizeBytes` is what is left of it, these included. */
export function encodeBlank(out: Uint8Array, at: number, restSizeBytes: number): void {
  putInt32(out, at, restSizeBytes);
  putInt32(out, at + 4, magicBlank);
}

function withHostFlags(sysFlag: number, bornHost: RecordHost, storeHost: RecordHost): number {
  let flags = sysFlag & ~(SysFlag.bornHostV6 | SysFlag.storeHostV6);
  if (bornHost.address.length === 16) flags |= SysFlag.bornHostV6;
  if (storeHost.address.length === 16) flags |= SysFlag.storeHostV6;
  return flags;
}

function putHost(out: Uint8Array, at: number, host: RecordHost): number {
  out.set(host.address, at);
  return putInt32(out, at + host.address.length, host.port);
}

function bodyChecksum(body: Uint8Array): number {
  return body.length === 0 ? 0 : crc32(body) & 0x7fffffff;
}

function recordChecksum(bytes: Buffer, begin: number, end: number): number {
  return crc32(bytes.subarray(begin, end)) & 0x7fffffff;
}

/** Name, 0x01, ten decimal digits with the least significant first, 0x02. */
function putChecksum(out: Uint8Array, at: number, checksum: number): void {
  out.set(checksumName, at);
  let rest = checksum;
  for (let index = 0; index < 10; index++) {
    const next = Math.floor(rest / 10);
    out[at + 9 + index] = 0x30 + (rest - next * 10);
    rest = next;
  }
  out[at + 19] = pairEnd;
}

/** The checksum that ends at `end`, or -1 when the bytes there are none. */
function getChecksum(bytes: Uint8Array, end: number): number {
  const at = end - checksumSizeBytes;
  if (bytes[end - 1] !== pairEnd) return -1;
  for (let index = 0; index < checksumName.length; index++) {
    if (bytes[at + index] !== checksumName[index]) return -1;
  }
  let checksum = 0;
  for (let index = 9; index >= 0; index--) {
    const digit = (bytes[at + 9 + index] as number) - 0x30; // in range: at + 9 + index < end
    if (digit < 0 || digit > 9) return -1;
    checksum = checksum * 10 + digit;
  }
  return checksum;
}

/** A decoded record. One shape for all; views into the bytes it was decoded from. */
export class StoredRecord implements StoredMessage {
  readonly topic: string;
  readonly queueId: number;
  readonly flag: number;
  readonly sysFlag: number;
  readonly bornTimestampMs: number;
  readonly bornHost: RecordHost;
  readonly reconsumeTimes: number;
  readonly preparedTransactionOffset: number;
  readonly body: Buffer;
  readonly properties: Buffer;
  readonly queueOffset: QueueOffset;
  readonly physicalOffset: PhysicalOffset;
  readonly storeTimestampMs: number;
  readonly storeHost: RecordHost;
  readonly storeSizeBytes: number;
  readonly bodyCrc: number;
  /** Whether the record carries (and passed) a checksum over all of it. */
  readonly hasChecksum: boolean;
  // Where it was decoded from, so that it goes on as it is. Private: copies with other fields have none of it.
  readonly #bytes: Buffer;
  readonly #begin: number;
  readonly #propertiesBegin: number;
  readonly #end: number;

  /** Decodes what `layout` has found to be a whole record at `at`. */
  constructor(bytes: Buffer, at: number, layout: RecordLayout) {
    this.topic = topicText(bytes, layout);
    this.queueId = getInt32(bytes, at + 12);
    this.flag = getInt32(bytes, at + 16);
    this.sysFlag = getInt32(bytes, at + 36);
    this.bornTimestampMs = getInt64(bytes, at + 40);
    this.bornHost = getHost(bytes, at + 48, layout.bornAddressSize);
    this.reconsumeTimes = getInt32(bytes, layout.bodyBegin - 16);
    this.preparedTransactionOffset = getInt64(bytes, layout.bodyBegin - 12);
    this.body = bytes.subarray(layout.bodyBegin, layout.bodyEnd);
    this.properties = bytes.subarray(layout.propertiesBegin, layout.propertiesEnd);
    this.queueOffset = getInt64(bytes, at + 20) as QueueOffset; // what the field holds
    this.physicalOffset = getInt64(bytes, at + 28) as PhysicalOffset;
    this.storeTimestampMs = getInt64(bytes, at + 52 + layout.bornAddressSize);
    this.storeHost = getHost(bytes, at + 60 + layout.bornAddressSize, layout.storeAddressSize);
    this.storeSizeBytes = layout.size;
    this.bodyCrc = getInt32(bytes, at + 8);
    this.hasChecksum = layout.hasChecksum;
    this.#bytes = bytes;
    this.#begin = at;
    this.#propertiesBegin = layout.propertiesBegin;
    this.#end = layout.propertiesEnd;
  }

  /** Bytes of the record without its checksum. */
  get plainSizeBytes(): number {
    return this.#end - this.#begin;
  }

  /** Copies the record to `to`, without its checksum. Returns the position behind it. */
  copyPlain(out: Buffer, to: number): number {
    const size = this.#bytes.copy(out, to, this.#begin, this.#end);
    putInt32(out, to, size);
    const propertiesAt = this.#propertiesBegin - this.#begin;
    putInt16(out, to + propertiesAt - 2, size - propertiesAt);
    return to + size;
  }
}

function getHost(bytes: Buffer, at: number, addressSize: number): RecordHost {
  return { address: bytes.subarray(at, at + addressSize), port: getInt32(bytes, at + addressSize) };
}

// A log has few topics and many records: the last one is nearly always the next one's.
let lastTopicBytes = Buffer.alloc(0);
let lastTopic = '';

function topicText(bytes: Buffer, layout: RecordLayout): string {
  const { topicBegin, topicEnd } = layout;
  if (
    topicEnd - topicBegin === lastTopicBytes.length &&
    bytes.compare(lastTopicBytes, 0, lastTopicBytes.length, topicBegin, topicEnd) === 0
  ) {
    return lastTopic;
  }
  lastTopic = bytes.toString('utf8', topicBegin, topicEnd);
  lastTopicBytes = Buffer.from(bytes.subarray(topicBegin, topicEnd));
  return lastTopic;
}

/** What stands at a place of the log. */
export type RecordKind =
  /** A whole record; the layout is filled in. */
  | 'record'
  /** The end-of-segment record; `size` is the rest of the segment. */
  | 'blank'
  /** Zeros: nothing has been written here. */
  | 'empty'
  /** The bytes at hand end inside the record; `size` is how many it needs. */
  | 'partial'
  /** No record; `problem` says why. */
  | 'bad';

/** How deep `RecordLayout.read` looks. */
export const RecordCheck = {
  /** Lengths only; for bytes that this process has encoded itself. */
  lengths: 0,
  /** Body checksum, and the checksum over all where there is one. */
  checksums: 1,
} as const;
export type RecordCheck = (typeof RecordCheck)[keyof typeof RecordCheck];

/** Finds the parts of a record. Reused; its fields are valid after `read` has answered 'record'. */
export class RecordLayout {
  size = 0;
  bornAddressSize = 4;
  storeAddressSize = 4;
  bodyBegin = 0;
  bodyEnd = 0;
  topicBegin = 0;
  topicEnd = 0;
  propertiesBegin = 0;
  /** Without the checksum property. */
  propertiesEnd = 0;
  hasChecksum = false;
  /** Why the last `read` answered 'bad'. */
  problem = '';

  /** Looks at what starts at `at` in `bytes`, of which only those before `end` count. */
  read(bytes: Buffer, at: number, end: number, check: RecordCheck): RecordKind {
    if (end - at < 8) {
      this.size = 8;
      return 'partial';
    }
    const size = getInt32(bytes, at);
    const magic = getInt32(bytes, at + 4);
    this.size = size;
    if (size === 0 && magic === 0) return 'empty';
    if (magic === magicBlank) {
      return size >= blankSizeBytes ? 'blank' : this.bad(`blank record of ${size} bytes`);
    }
    if (magic !== magicV1 && magic !== magicV2) {
      return this.bad(`magic code 0x${(magic >>> 0).toString(16)} is no record's`);
    }
    if (size < recordSizeMin) return this.bad(`size ${size} is below ${recordSizeMin}`);
    if (end - at < size) return 'partial';
    if (!this.measure(bytes, at, at + size, magic === magicV2)) return 'bad';
    return check === RecordCheck.checksums && !this.verify(bytes, at) ? 'bad' : 'record';
  }

  private measure(bytes: Buffer, at: number, end: number, isV2: boolean): boolean {
    const sysFlag = getInt32(bytes, at + 36);
    this.bornAddressSize = (sysFlag & SysFlag.bornHostV6) === 0 ? 4 : 16;
    this.storeAddressSize = (sysFlag & SysFlag.storeHostV6) === 0 ? 4 : 16;
    // 88 with two addresses of 4 bytes: everything up to and with the body length.
    this.bodyBegin = at + 80 + this.bornAddressSize + this.storeAddressSize;
    if (this.bodyBegin > end) return this.fail('the record ends inside its header');
    const bodySize = getInt32(bytes, this.bodyBegin - 4);
    this.bodyEnd = this.bodyBegin + bodySize;
    if (bodySize < 0 || this.bodyEnd + (isV2 ? 2 : 1) > end) {
      return this.fail(`body length ${bodySize} does not fit`);
    }
    const topicSize = isV2 ? getInt16(bytes, this.bodyEnd) : (bytes[this.bodyEnd] as number);
    this.topicBegin = this.bodyEnd + (isV2 ? 2 : 1);
    this.topicEnd = this.topicBegin + topicSize;
    if (topicSize <= 0 || (!isV2 && topicSize > topicSizeMaxV1) || this.topicEnd + 2 > end) {
      return this.fail(`topic length ${topicSize} does not fit`);
    }
    const propertiesSize = getInt16(bytes, this.topicEnd);
    this.propertiesBegin = this.topicEnd + 2;
    this.propertiesEnd = this.propertiesBegin + propertiesSize;
    if (propertiesSize < 0 || this.propertiesEnd !== end) {
      return this.fail(`properties length ${propertiesSize} does not end the record`);
    }
    this.hasChecksum = false;
    if (propertiesSize >= checksumSizeBytes && getChecksum(bytes, end) >= 0) {
      this.hasChecksum = true;
      this.propertiesEnd -= checksumSizeBytes;
    }
    return true;
  }

  private verify(bytes: Buffer, at: number): boolean {
    if (this.hasChecksum) {
      const stored = getChecksum(bytes, at + this.size);
      if (stored !== recordChecksum(bytes, at, this.propertiesEnd)) {
        return this.fail('the record does not match its checksum');
      }
    } else if (this.isEndTorn(bytes)) {
      return this.fail('the end of the properties is missing');
    } else if (this.isChecksumDamaged(bytes)) {
      return this.fail('the checksum of the record is damaged');
    }
    const body = bytes.subarray(this.bodyBegin, this.bodyEnd);
    return bodyChecksum(body) === getInt32(bytes, at + 8)
      ? true
      : this.fail('the body does not match its checksum');
  }

  /**
   * A lost sector reads as zeros. When it held (part of) the checksum, the record looks like one of
   * Apache's, which have none; but no property ends in a zero byte. Found by the simulator.
   */
  private isEndTorn(bytes: Buffer): boolean {
    const begin = Math.max(this.propertiesBegin, this.propertiesEnd - checksumSizeBytes);
    return bytes.subarray(begin, this.propertiesEnd).includes(0);
  }

  /**
   * A flipped bit in the checksum's own name would make a record of ours look like one of Apache's, which has
   * none, with nothing but its body checked.
   */
  private isChecksumDamaged(bytes: Buffer): boolean {
    const begin = this.propertiesEnd - checksumSizeBytes;
    if (begin < this.propertiesBegin) return false;
    let equalCount = 0;
    for (let index = 0; index < checksumName.length; index++) {
      if (bytes[begin + index] === checksumName[index]) equalCount++;
    }
    return equalCount > checksumName.length / 2;
  }

  private bad(problem: string): 'bad' {
    this.problem = problem;
    return 'bad';
  }

  private fail(problem: string): false {
    this.problem = problem;
    return false;
  }
}

/** The fixed fields that dispatch and recovery read without decoding a whole record. */
export const RecordField = {
  queueId: (bytes: Uint8Array, at: number): number => getInt32(bytes, at + 12),
  queueOffset: (bytes: Uint8Array, at: number): QueueOffset =>
    getInt64(bytes, at + 20) as QueueOffset, // what the field holds
  physicalOffset: (bytes: Uint8Array, at: number): PhysicalOffset =>
    getInt64(bytes, at + 28) as PhysicalOffset,
  sysFlag: (bytes: Uint8Array, at: number): number => getInt32(bytes, at + 36),
  storeTimestampMs: (bytes: Uint8Array, at: number): number =>
    getInt64(bytes, at + ((getInt32(bytes, at + 36) & SysFlag.bornHostV6) === 0 ? 56 : 68)),
} as const;

const sharedLayout = new RecordLayout();

/**
 * Decodes the record that starts at `at`; undefined when there is no whole, undamaged one.
 * Body, properties and addresses are views into `bytes`.
 */
export function decodeRecord(
  bytes: Buffer,
  at: number,
  end: number,
  check: RecordCheck = RecordCheck.checksums,
): StoredRecord | undefined {
  const kind = sharedLayout.read(bytes, at, end, check);
  return kind === 'record' ? new StoredRecord(bytes, at, sharedLayout) : undefined;
}

/**
 * The bytes of a message in storage format, in a Buffer of its own: what Remoting bodies hold.
 * A checksum is put back only when `hasChecksum` is said.
 */
export function encodeStoredMessage(message: StoredMessage, hasChecksum = false): Buffer {
  if (message instanceof StoredRecord && !hasChecksum) {
    const plain = Buffer.allocUnsafe(message.plainSizeBytes);
    message.copyPlain(plain, 0);
    return plain;
  }
  const placement = new RecordPlacement(message.storeHost, hasChecksum);
  placement.queueOffset = message.queueOffset;
  placement.physicalOffset = message.physicalOffset;
  placement.storeTimestampMs = message.storeTimestampMs;
  const topic = Buffer.from(message.topic, 'utf8');
  const out = Buffer.allocUnsafe(recordSizeBytes(message, topic.length, placement));
  encodeRecord(out, 0, message, topic, placement);
  return out;
}

/** The same for many, one behind the other. */
export function encodeStoredMessages(messages: readonly StoredMessage[]): Buffer {
  let size = 0;
  const parts = messages.map((message) => {
    const part = message instanceof StoredRecord ? message : encodeStoredMessage(message);
    size += part instanceof StoredRecord ? part.plainSizeBytes : part.length;
    return part;
  });
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  for (const part of parts) {
    if (part instanceof StoredRecord) at = part.copyPlain(out, at);
    else at += part.copy(out, at);
  }
  return out;
}
