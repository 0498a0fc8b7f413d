/**
 * One life of a simulated process. Its ports ask it before every call and every completion, so that
 * from the moment of its death nothing that it had under way is ever heard of again, and nothing
 * that its remaining promises still do has an effect.
 */

export class Incarnation {
  readonly number: number;
  isAlive = true;
  /** Calls of ports so far. */
  callCount = 0;
  /** The process dies at this call; Infinity: at none. */
  dieAtCall = Infinity;
  readonly #listeners = new Set<() => void>();

  constructor(number: number) {
    this.number = number;
  }

  /**
   * A port is being called. True: go on. False: the process is dead, or dies with this very call,
   * whose effect is then lost as well.
   */
  enter(): boolean {
    if (!this.isAlive) return false;
    this.callCount += 1;
    if (this.callCount < this.dieAtCall) return true;
    this.die();
    return false;
  }

  /** Listeners hear of the death once, at once, in the order in which they came. */
  onDeath(listener: () => void): void {
    this.#listeners.add(listener);
  }

  offDeath(listener: () => void): void {
    this.#listeners.delete(listener);
  }

  die(): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }
}

/** What a dead process waits for. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => {});
}
