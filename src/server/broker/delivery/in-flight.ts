/**
 * One message of a queue that a group has been shown and not finished, and the message group that it
 * waits in. Pure data; `queue-state.ts` keeps it in order.
 */

/** The messages of one message group that are not done, oldest first. */
export class MessageGroup {
  readonly name: string;
  first: InFlight | undefined = undefined;
  last: InFlight | undefined = undefined;

  constructor(name: string) {
    this.name = name;
  }
}

/** One shape, since there may be hundreds of thousands. */
export class InFlight {
  readonly offset: number;
  /** Deliveries so far; 0: held back behind its message group, or being read for the first. */
  attempt = 0;
  /** When the current attempt was handed out; handles of earlier attempts are older. */
  deliveredAtMs = 0;
  visibleAtMs = 0;
  /** Ordered delivery: the group whose turn it awaits; its neighbours there. */
  readonly messageGroup: MessageGroup | undefined;
  earlier: InFlight | undefined = undefined;
  later: InFlight | undefined = undefined;
  /** Being read for a delivery right now. */
  isReserved = false;
  /** False once it is done, or its offset was reset. */
  isOpen = true;
  /** Its place in the heap of the state that it is in; -1: in none. */
  heapIndex = -1;
  /** Which heap: that of the visible ones, else that of those which become visible. */
  isReady = false;

  constructor(offset: number, messageGroup: MessageGroup | undefined) {
    this.offset = offset;
    this.messageGroup = messageGroup;
  }
}
