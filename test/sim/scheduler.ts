/**
 * Simulated time. Events are kept in order of their due time and, at the same time, of their making;
 * between two events all promises settle, so a run does not depend on how long anything really takes.
 * Idle time is skipped.
 */

/** An event that has been planned. */
export interface Planned {
  readonly dueUs: number;
  isCancelled: boolean;
}

interface Entry extends Planned {
  readonly order: number;
  readonly run: () => void;
}

export class Scheduler {
  /** Microseconds since the run began. */
  nowUs = 0;
  /** Events run so far. */
  eventCount = 0;
  readonly #heap: Entry[] = [];
  #tickEnd: (() => void)[] = [];
  #order = 0;
  /** Due times are rounded up to this, so that several events share a tick. */
  readonly #quantumUs: number;

  constructor(options: { readonly quantumUs: number } = { quantumUs: 1 }) {
    this.#quantumUs = options.quantumUs;
  }

  plan(delayUs: number, run: () => void): Planned {
    const quantum = this.#quantumUs;
    const dueUs = Math.ceil((this.nowUs + Math.max(0, delayUs)) / quantum) * quantum;
    const entry: Entry = { dueUs, isCancelled: false, order: this.#order, run };
    this.#order += 1;
    this.#push(entry);
    return entry;
  }

  /** Runs `run` when nothing is left to do at the present time. */
  atTickEnd(run: () => void): void {
    this.#tickEnd.push(run);
  }

  /** Runs until `untilUs`, or until `isDone` says so (asked between ticks). Rejects with what an event throws. */
  runUntil(untilUs: number, isDone: () => boolean = () => false): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (): void => {
        try {
          if (this.#step(untilUs, isDone)) resolve();
          else afterPromises(step);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      setImmediate(step);
    });
  }

  /** Called with all promises settled. True: finished. */
  #step(untilUs: number, isDone: () => boolean): boolean {
    const next = this.#peek();
    if (this.#tickEnd.length > 0 && (next === undefined || next.dueUs > this.nowUs)) {
      const ending = this.#tickEnd;
      this.#tickEnd = [];
      for (const run of ending) run();
      return false;
    }
    if (isDone()) return true;
    if (next === undefined || next.dueUs > untilUs) {
      this.nowUs = Math.max(this.nowUs, untilUs);
      return true;
    }
    this.#pop();
    this.nowUs = Math.max(this.nowUs, next.dueUs);
    this.eventCount += 1;
    next.run();
    return false;
  }

  #peek(): Entry | undefined {
    while (this.#heap[0]?.isCancelled === true) this.#pop();
    return this.#heap[0];
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Entry;
      if (!isBefore(entry, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, heap[child] as Entry)) child += 1;
      const below = heap[child] as Entry;
      if (!isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}

/**
 * Calls back with all promises settled: Node empties the queue of promises, this one among them, before it
 * looks at that of `nextTick`. A tenth of what a turn of the event loop costs. Holds as long as nothing under
 * test uses `nextTick` or real I/O by itself.
 */
function afterPromises(run: () => void): void {
  queueMicrotask(() => process.nextTick(run));
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.dueUs < b.dueUs || (a.dueUs === b.dueUs && a.order < b.order);
}
