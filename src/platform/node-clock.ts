/** Time as Node has it. Timers are unreferenced: none keeps a process alive. */
import type { Clock, Timer } from './clock.ts';

class NodeTimer implements Timer {
  readonly dueMs: number;
  readonly handle: NodeJS.Timeout;

  constructor(dueMs: number, handle: NodeJS.Timeout) {
    this.dueMs = dueMs;
    this.handle = handle;
  }
}

/** Node cannot wait longer at once: the delay is a signed 32-bit number. */
const delayMaxMs = 2 ** 31 - 1;

/** The clock of production. */
export const nodeClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (delayMs, run) => {
    const delay = Math.min(Math.max(delayMs, 0), delayMaxMs);
    return new NodeTimer(performance.now() + delay, setTimeout(run, delay).unref());
  },
  clearTimer: (timer) => {
    if (timer instanceof NodeTimer) clearTimeout(timer.handle);
  },
  afterTick: (run) => {
    setImmediate(run);
  },
};
