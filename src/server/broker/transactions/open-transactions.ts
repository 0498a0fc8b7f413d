/**
 * The open transactions of a broker, derived from the log: a half message opens one; its commit record,
 * its entry in an op message or its copy among the given-up ones closes it (facts/store.md §12). Kept
 * in the database with the dispatch position, so that neither a crash nor a rebuilt index can
 * forget or reopen one.
 */
import type {
  MessageDraft,
  PhysicalOffset,
  QueueOffset,
} from '../../../protocol/message/message.ts';
import { findProperty } from '../../../protocol/message/properties.ts';
import { PropertyName } from '../../../protocol/message/property-names.ts';
import { SysFlag } from '../../../protocol/message/sys-flag.ts';
import type { WheelTimer } from '../../../util/timer-wheel.ts';
import type { Appended, DerivedState, StateBatch } from '../../store/message-store.ts';
import type { Origin } from '../../store/origin.ts';
import type { EndTransactionRequest, HalfMessage } from '../api.ts';

export const halfTopic = 'RMQ_SYS_TRANS_HALF_TOPIC';
export const opTopic = 'RMQ_SYS_TRANS_OP_HALF_TOPIC';
export const givenUpTopic = 'TRANS_CHECK_MAX_TIME_TOPIC';

const prefix = 'transaction/';

export class OpenTransaction implements HalfMessage {
  readonly queueOffset: QueueOffset;
  readonly physicalOffset: PhysicalOffset;
  readonly topic: string;
  readonly transactionId: string;
  readonly producerGroup: string;
  /** No question before this; epoch ms. */
  readonly firstCheckMs: number;
  checkCount: number;
  nextCheckMs: number;
  /** A decision is being written; what else comes meanwhile is refused. */
  isDeciding = false;
  /** Until the next question; not stored. */
  timer: WheelTimer | undefined = undefined;

  constructor(stored: StoredTransaction) {
    this.queueOffset = stored.queueOffset as QueueOffset; // of the half queue
    this.physicalOffset = stored.physicalOffset as PhysicalOffset; // of the half message
    this.topic = stored.topic;
    this.transactionId = stored.transactionId;
    this.producerGroup = stored.producerGroup;
    this.firstCheckMs = stored.firstCheckMs;
    this.checkCount = stored.checkCount;
    this.nextCheckMs = stored.nextCheckMs;
  }
}

interface StoredTransaction {
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly topic: string;
  readonly transactionId: string;
  readonly producerGroup: string;
  readonly firstCheckMs: number;
  readonly checkCount: number;
  readonly nextCheckMs: number;
}

/** Who follows what is open. */
export interface TransactionEvents {
  opened(one: OpenTransaction): void;
  closed(one: OpenTransaction): void;
  /** Its half message is past its retention time: to be given up. */
  outdated(one: OpenTransaction): void;
}

export class OpenTransactions implements DerivedState {
  readonly prefix = prefix;
  readonly #timeoutMs: number;
  readonly #origin: Origin | undefined;
  readonly #byQueueOffset = new Map<number, OpenTransaction>();
  readonly #byPhysicalOffset = new Map<number, OpenTransaction>();
  readonly #byId = new Map<string, OpenTransaction>();
  readonly #dirty = new Set<OpenTransaction>();
  #closed: string[] = [];
  events: TransactionEvents | undefined = undefined;

  /** `timeoutMs`: first question this long after the half message was stored, unless it says itself. */
  constructor(timeoutMs: number, origin?: Origin) {
    this.#timeoutMs = timeoutMs;
    this.#origin = origin;
  }

  get size(): number {
    return this.#byPhysicalOffset.size;
  }

  all(): Iterable<OpenTransaction> {
    return this.#byPhysicalOffset.values();
  }

  find(request: EndTransactionRequest): OpenTransaction | undefined {
    const { half, topic, transactionId } = request;
    const one =
      half === undefined
        ? this.#byId.get(idOf(topic, transactionId))
        : this.#byPhysicalOffset.get(half.physicalOffset);
    return half === undefined || one?.queueOffset === half.queueOffset ? one : undefined;
  }

  isOpen(one: OpenTransaction): boolean {
    return this.#byPhysicalOffset.get(one.physicalOffset) === one;
  }

  /** Its half message is lost. */
  forget(one: OpenTransaction): void {
    this.#close(one);
  }

  /** After a change of its counts. */
  changed(one: OpenTransaction): void {
    this.#dirty.add(one);
  }

  restore(_key: string, value: Uint8Array): boolean {
    const stored = JSON.parse(Buffer.from(value).toString('utf8')) as StoredTransaction; // our own
    this.#open(new OpenTransaction(stored));
    return true;
  }

  clear(): void {
    this.#byQueueOffset.clear();
    this.#byPhysicalOffset.clear();
    this.#byId.clear();
    this.#dirty.clear();
    this.#closed = [];
  }

  dispatched(message: MessageDraft, place: Appended): void {
    const { physicalOffset } = place;
    if (this.#origin?.covers(physicalOffset) === true) {
      // What was decided there was looked up once, by who took the store over.
      const isOpen = message.topic === halfTopic && this.#origin.isTransactionOpen(physicalOffset);
      if (isOpen) this.#dispatchHalf(message, place);
      return;
    }
    const transaction = message.sysFlag & SysFlag.transactionMask;
    if (transaction === SysFlag.transactionCommit) {
      return this.#close(this.#byPhysicalOffset.get(message.preparedTransactionOffset));
    }
    if (message.topic === halfTopic) this.#dispatchHalf(message, place);
    else if (message.topic === opTopic) this.#dispatchOp(message);
    else if (message.topic === givenUpTopic) this.#close(this.#byId.get(idOfHalf(message)));
  }

  /** Half messages that are still open are moved first, to where an operator finds them. */
  isDeletable(offset: PhysicalOffset): Promise<boolean> {
    let isFree = true;
    // In the order of the log.
    for (const one of [...this.#byPhysicalOffset.values()]) {
      if (one.physicalOffset >= offset) break;
      isFree = false;
      this.events?.outdated(one);
    }
    return Promise.resolve(isFree);
  }

  #dispatchHalf({ properties }: MessageDraft, place: Appended): void {
    const property = (name: string): string | undefined => findProperty(properties, name);
    const immunityMs = Number(property(PropertyName.checkImmunityTimeSeconds)) * 1_000;
    const waitMs = immunityMs > 0 ? immunityMs : this.#timeoutMs;
    const firstCheckMs = place.storeTimestampMs + waitMs;
    this.#open(
      new OpenTransaction({
        queueOffset: place.queueOffset,
        physicalOffset: place.physicalOffset,
        topic: property(PropertyName.realTopic) ?? '',
        transactionId: property(PropertyName.uniqueKey) ?? '',
        producerGroup: property(PropertyName.producerGroup) ?? '',
        firstCheckMs,
        checkCount: Number(property(PropertyName.transactionCheckTimes) ?? '0'),
        nextCheckMs: firstCheckMs,
      }),
    );
  }

  /** Body: offsets in the half queue, each followed by a comma. */
  #dispatchOp({ body, properties }: MessageDraft): void {
    // The copy before it has closed the transaction, or is lost: then the producer is asked again.
    if (findProperty(properties, PropertyName.decidedBefore) !== undefined) return;
    for (const text of Buffer.from(body).toString('latin1').split(',')) {
      if (text !== '') this.#close(this.#byQueueOffset.get(Number(text)));
    }
  }

  #open(one: OpenTransaction): void {
    const id = idOf(one.topic, one.transactionId);
    // Apache's brokers append a half message again with each check: the newest counts.
    this.#close(this.#byId.get(id));
    this.#byQueueOffset.set(one.queueOffset, one);
    this.#byPhysicalOffset.set(one.physicalOffset, one);
    this.#byId.set(id, one);
    this.#dirty.add(one);
    this.events?.opened(one);
  }

  #close(one: OpenTransaction | undefined): void {
    if (one === undefined) return;
    this.#byQueueOffset.delete(one.queueOffset);
    this.#byPhysicalOffset.delete(one.physicalOffset);
    this.#byId.delete(idOf(one.topic, one.transactionId));
    this.#dirty.delete(one);
    this.#closed.push(keyOf(one));
    this.events?.closed(one);
  }

  collect(batch: StateBatch): void {
    for (const key of this.#closed) batch.delete(key);
    this.#closed = [];
    for (const one of this.#dirty) {
      const stored: StoredTransaction = {
        queueOffset: one.queueOffset,
        physicalOffset: one.physicalOffset,
        topic: one.topic,
        transactionId: one.transactionId,
        producerGroup: one.producerGroup,
        firstCheckMs: one.firstCheckMs,
        checkCount: one.checkCount,
        nextCheckMs: one.nextCheckMs,
      };
      batch.put(keyOf(one), Buffer.from(JSON.stringify(stored)));
    }
    this.#dirty.clear();
  }
}

function keyOf(one: OpenTransaction): string {
  return prefix + one.physicalOffset.toString(16).padStart(14, '0');
}

function idOf(topic: string, transactionId: string): string {
  return `${topic}\n${transactionId}`;
}

function idOfHalf({ properties }: { readonly properties: Uint8Array }): string {
  const topic = findProperty(properties, PropertyName.realTopic) ?? '';
  return idOf(topic, findProperty(properties, PropertyName.uniqueKey) ?? '');
}
