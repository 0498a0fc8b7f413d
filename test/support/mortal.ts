/** What a process that dies leaves behind: files and database stay, its timers and ticks never run again. */
import type { Clock } from '../../src/platform/clock.ts';
import type { FolderLock } from '../../src/platform/files.ts';
import { MemoryFiles } from '../../src/platform/memory-files.ts';
import type { ManualClock } from './manual-clock.ts';

/** A crashed process cannot give its lock back, and here it was never another process. */
export class UnlockedFiles extends MemoryFiles {
  override lockFolder(): Promise<FolderLock> {
    return Promise.resolve({ release: () => Promise.resolve() });
  }
}

/** The clock as one life of the process sees it. */
export function mortal(clock: ManualClock, life: { readonly isAlive: boolean }): Clock {
  const guarded = (run: () => void) => (): void => {
    if (life.isAlive) run();
  };
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    setTimer: (delayMs, run) => clock.setTimer(delayMs, guarded(run)),
    clearTimer: (timer) => clock.clearTimer(timer),
    afterTick: (run) => clock.afterTick(guarded(run)),
  };
}
