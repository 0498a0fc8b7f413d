/**
 * What a broker has promised its producers and consumers, and the checks that it keeps it. Fed with
 * every answer that a living client got; what a dead one would have heard it does not know.
 */
import { check } from './store-model.ts';

export type PoppedKind = 'normal' | 'fifo' | 'transaction' | 'delay' | 'priority';
export type MessageKind = PoppedKind | 'pull' | 'lite';

/** What a message's producer heard. `unknown`: nothing, and never will. */
export type SendState = 'pending' | 'acked' | 'unknown' | 'refused';

export interface SimMessage {
  readonly number: number;
  readonly kind: MessageKind;
  readonly topic: string;
  /** -1: not known yet. */
  queueId: number;
  /** Message group of FIFO messages. */
  readonly group: string;
  /** Of a compacted topic: it is owed until a newer one of its key is sent; '' otherwise. */
  readonly key: string;
  /** What the producer of a transaction decides, each time that it is asked. */
  readonly decision: 'COMMIT' | 'ROLLBACK';
  readonly sentAtUs: number;
  transactionId: string;
  /** Delayed messages: not to be seen before; 0 for the others. */
  dueUs: number;
  /** Taken back by its producer: asked for; kept: the broker has said that it will not come. */
  recall: 'none' | 'asked' | 'kept';
  state: SendState;
  /** Its queue offset once known; -1 before. */
  queueOffset: number;
  /** The same as its producer heard it; the newest of a key may move behind it. */
  sentOffset: number;
  deliveryCount: number;
  /** Somebody asked to acknowledge it, or it reached the dead letters. */
  isDone: boolean;
  /** The process that answered its acknowledgement; it must not deliver it again. */
  ackedBy: number;
  isDeadLetter: boolean;
  /** Deleted, old as it was. */
  isExpired: boolean;
  /** Suspended when its last attempt was over, or nearly; until it comes again. */
  isMaybeGivenUp: boolean;
  /** Its newest attempt was taken back, which a death may forget. */
  isSuspended: boolean;
  /** Of the newest delivery: the process, the attempt, and until when it is invisible. */
  seenBy: number;
  attempt: number;
  visibleAtUs: number;
}

export interface Delivery {
  readonly message: SimMessage;
  readonly attempt: number;
  readonly queueOffset: number;
}

/** Whether nobody needs to receive it. */
export function isTakenBack({ kind, decision, recall }: SimMessage): boolean {
  return (kind === 'transaction' && decision === 'ROLLBACK') || recall !== 'none';
}

export class BrokerModel {
  readonly messages: SimMessage[] = [];
  /** Of each message group, in the order of sending. */
  readonly #groups = new Map<string, SimMessage[]>();
  deliveryCount = 0;
  readonly #attemptsMax: number;
  readonly #isAnsweredFirst: boolean;
  readonly #retentionUs: number;

  /**
   * `isAnsweredFirst`: nobody receives a message before its producer has the answer (no network between).
   * `retentionMs`: messages older than this may be gone; infinite when left out.
   */
  constructor(options: {
    readonly attemptsMax: number;
    readonly isAnsweredFirst: boolean;
    readonly retentionMs?: number;
  }) {
    this.#attemptsMax = options.attemptsMax;
    this.#isAnsweredFirst = options.isAnsweredFirst;
    this.#retentionUs = (options.retentionMs ?? Number.POSITIVE_INFINITY) * 1_000;
  }

  sent(fields: {
    readonly kind: MessageKind;
    readonly topic: string;
    readonly queueId: number;
    readonly group: string;
    readonly key?: string;
    readonly decision: 'COMMIT' | 'ROLLBACK';
    readonly sentAtUs: number;
  }): SimMessage {
    const message: SimMessage = {
      ...fields,
      key: fields.key ?? '',
      number: this.messages.length,
      transactionId: '',
      dueUs: 0,
      recall: 'none',
      state: 'pending',
      queueOffset: -1,
      sentOffset: -1,
      deliveryCount: 0,
      isDone: false,
      ackedBy: 0,
      isDeadLetter: false,
      isExpired: false,
      isMaybeGivenUp: false,
      isSuspended: false,
      seenBy: 0,
      attempt: 0,
      visibleAtUs: 0,
    };
    this.messages.push(message);
    if (fields.group !== '') {
      const list = this.#groups.get(fields.group);
      if (list === undefined) this.#groups.set(fields.group, [message]);
      else list.push(message);
    }
    return message;
  }

  /** Its newest attempt does not count: more are left, unless it is too late (`isLate`) or a death forgets it. */
  suspended(message: SimMessage, isLate: boolean): void {
    if (isLate) message.isMaybeGivenUp = this.isGivenUp(message);
    message.attempt = Math.max(0, message.attempt - 1);
    message.isSuspended = true;
  }

  /** The process died: what was not answered never will be. */
  processDied(): void {
    for (const message of this.messages) {
      if (message.state === 'pending') message.state = 'unknown';
      if (message.isSuspended && message.attempt + 1 >= this.#attemptsMax) {
        message.isMaybeGivenUp = true;
      }
    }
  }

  /** A queue begins at `minOffset`: what is before it must have been old enough. */
  expired(topic: string, queueId: number, minOffset: number, nowUs: number): void {
    if (minOffset === 0) return;
    for (const message of this.messages) {
      if (message.topic !== topic || message.queueId !== queueId || message.isExpired) continue;
      if (message.queueOffset < 0 || message.queueOffset >= minOffset) continue;
      // The newest of a key is moved, the others do not matter.
      if (message.key !== '') continue;
      check(
        this.#mayBeGone(message, nowUs),
        `message ${message.number} at ${message.queueOffset} of ${topic}/${queueId} was deleted too soon`,
      );
      message.isExpired = true;
    }
  }

  #mayBeGone(message: SimMessage, nowUs: number): boolean {
    return nowUs - Math.max(message.sentAtUs, message.dueUs) >= this.#retentionUs;
  }

  /** Whether somebody must still receive it. */
  isOwed(message: SimMessage, nowUs: number): boolean {
    if (message.state !== 'acked' || message.isDone || message.isExpired) return false;
    if (isTakenBack(message) || this.#isReplaced(message)) return false;
    // Where a message was that nobody has seen yet is not known to all.
    return !(message.queueOffset < 0 && this.#mayBeGone(message, nowUs));
  }

  /** Whether a newer message of its key may have taken its place. */
  #isReplaced({ key, topic, queueId, number }: SimMessage): boolean {
    if (key === '') return false;
    return this.messages.some(
      (one) =>
        one.number > number &&
        one.key === key &&
        one.topic === topic &&
        one.queueId === queueId &&
        one.state !== 'refused',
    );
  }

  /** The newest of its key, it was appended once more before its segment went. */
  #hasMoved(message: SimMessage, queueOffset: number): boolean {
    if (message.key === '' || queueOffset === message.queueOffset) return false;
    return queueOffset >= message.sentOffset && this.#retentionUs < Number.POSITIVE_INFINITY;
  }

  /** One answer of a receive, in its order, from the process `incarnation`. */
  delivered(
    batch: readonly Delivery[],
    at: { readonly incarnation: number; readonly nowUs: number; readonly invisibleMs: number },
  ): void {
    const inBatch = new Set<SimMessage>();
    for (const { message, attempt, queueOffset } of batch) {
      const name = `message ${message.number} (${message.kind})`;
      if (this.#hasMoved(message, queueOffset)) {
        // Another message with the same content.
        Object.assign(message, { queueOffset, ackedBy: 0, seenBy: 0, attempt: 0 });
      }
      this.#checkSeen(message, queueOffset);
      const isRolledBack = message.kind === 'transaction' && message.decision === 'ROLLBACK';
      check(!isRolledBack, `${name} is delivered though it is rolled back`);
      check(at.nowUs >= message.dueUs, `${name} is delivered before its time`);
      check(message.recall !== 'kept', `${name} is delivered though it was recalled`);
      check(message.ackedBy !== at.incarnation, `${name} is delivered after its acknowledgement`);
      check(attempt <= this.#attemptsMax, `${name} is delivered in attempt ${attempt}`);
      if (message.seenBy === at.incarnation) {
        check(attempt > message.attempt, `${name}: attempt ${attempt} after ${message.attempt}`);
        check(
          at.nowUs >= message.visibleAtUs - 1_000,
          `${name} is delivered again while it is invisible`,
        );
      }
      this.#checkOrder(message, queueOffset, inBatch);
      inBatch.add(message);
      message.queueOffset = queueOffset;
      message.deliveryCount += 1;
      message.seenBy = at.incarnation;
      message.attempt = attempt;
      message.isMaybeGivenUp = false;
      message.isSuspended = false;
      message.visibleAtUs = at.nowUs + at.invisibleMs * 1_000;
      this.deliveryCount += 1;
    }
  }

  /** What holds however somebody comes to see a message. */
  #checkSeen(message: SimMessage, queueOffset: number): void {
    const name = `message ${message.number} (${message.kind})`;
    check(message.state !== 'refused', `${name} is delivered though it was refused`);
    check(
      message.state !== 'pending' || message.kind === 'transaction' || !this.#isAnsweredFirst,
      `${name} is delivered before its send was answered`,
    );
    check(
      message.queueOffset < 0 ||
        message.queueOffset === queueOffset ||
        this.#hasMoved(message, queueOffset),
      `${name} is at ${queueOffset}, was at ${message.queueOffset}`,
    );
  }

  /** Seen by a consumer that keeps its own offset. */
  pulled(message: SimMessage, queueOffset: number): void {
    this.#checkSeen(message, queueOffset);
    message.queueOffset = queueOffset;
    message.deliveryCount += 1;
    this.deliveryCount += 1;
  }

  /** Such a consumer is done with these offsets of a queue. */
  consumed(
    topic: string,
    queueId: number,
    range: { readonly from: number; readonly end: number },
  ): void {
    for (const message of this.messages) {
      if (message.topic !== topic || message.queueId !== queueId) continue;
      if (message.queueOffset >= range.from && message.queueOffset < range.end) {
        message.isDone = true;
      }
    }
  }

  /**
   * A process begins to stop in order: what it knows by now its successor has to know. Call the result when
   * it has stopped and its disk is as it left it.
   */
  stopping(incarnation: number): () => void {
    const known = this.messages
      .filter(({ seenBy, ackedBy }) => seenBy === incarnation || ackedBy === incarnation)
      .map((message) => ({ message, ...message }));
    return () => {
      for (const { message, queueOffset, seenBy, ackedBy, attempt, ...before } of known) {
        // What it was appended as once more was delivered meanwhile: another message.
        if (message.queueOffset !== queueOffset) continue;
        if (ackedBy === incarnation) message.ackedBy = incarnation + 1;
        if (seenBy !== incarnation || message.attempt !== attempt) continue;
        message.seenBy = incarnation + 1;
        message.visibleAtUs = Math.min(message.visibleAtUs, before.visibleAtUs);
        message.isMaybeGivenUp = before.isMaybeGivenUp;
        message.isSuspended = false;
      }
    };
  }

  /** Whether it has had all its attempts, so that it may be a dead letter by now. */
  isGivenUp(message: SimMessage): boolean {
    const { isDeadLetter, isMaybeGivenUp, attempt } = message;
    return isDeadLetter || isMaybeGivenUp || attempt >= this.#attemptsMax;
  }

  /** All before it in its group are done, or before it in the same answer. */
  #checkOrder(message: SimMessage, queueOffset: number, inBatch: ReadonlySet<SimMessage>): void {
    if (message.group === '') return;
    for (const before of this.#groups.get(message.group) ?? []) {
      if (before.queueOffset < 0 || before.queueOffset >= queueOffset) continue;
      if (before.isDone || before.isExpired || inBatch.has(before)) continue;
      if (this.isGivenUp(before)) continue;
      check(false, `message ${message.number} overtakes ${before.number} of ${message.group}`);
    }
  }

  /** Everything below a committed offset is done with. */
  checkCommitted(topic: string, queueId: number, committed: number): void {
    for (const message of this.messages) {
      if (message.topic !== topic || message.queueId !== queueId) continue;
      if (message.queueOffset < 0 || message.queueOffset >= committed) continue;
      if (message.isDone || message.isExpired || this.#isReplaced(message)) continue;
      // It may have been moved.
      if (message.key !== '' && this.#retentionUs < Number.POSITIVE_INFINITY) continue;
      check(
        this.isGivenUp(message),
        `the offset of ${topic}/${queueId} is ${committed}, message ${message.number} at ${message.queueOffset} is not consumed`,
      );
    }
  }

  /** At the end, with nothing in flight. */
  checkComplete(nowUs: number): void {
    for (const message of this.messages) {
      if (!this.isOwed(message, nowUs)) continue;
      const what = `message ${message.number} (${message.kind}) of ${message.topic}/${message.queueId}`;
      check(
        message.deliveryCount > 0,
        `${what}@${message.queueOffset} was acknowledged and never delivered`,
      );
      check(false, `${what}@${message.queueOffset} was never done with`);
    }
  }
}
