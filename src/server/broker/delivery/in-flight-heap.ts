/**
 * A binary heap of messages in flight: the first by `isBefore` in constant time, adding and removing
 * any of them in logarithmic. Each message knows its place, so it can be in one heap at a time.
 */
import type { InFlight } from './in-flight.ts';

export class InFlightHeap {
  readonly #isBefore: (a: InFlight, b: InFlight) => boolean;
  readonly #items: InFlight[] = [];

  constructor(isBefore: (a: InFlight, b: InFlight) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#items.length;
  }

  get first(): InFlight | undefined {
    return this.#items[0];
  }

  push(item: InFlight): void {
    this.#items.push(item);
    this.#rise(item, this.#items.length - 1);
  }

  /** Takes the first out. */
  pop(): InFlight | undefined {
    const first = this.#items[0];
    if (first !== undefined) this.remove(first);
    return first;
  }

  /** Takes out an item of this heap. */
  remove(item: InFlight): void {
    const index = item.heapIndex;
    const last = this.#items.pop() as InFlight; // the item is in here, so there is one
    item.heapIndex = -1;
    if (last === item) return;
    const parent = this.#items[(index - 1) >> 1];
    if (index > 0 && parent !== undefined && this.#isBefore(last, parent)) this.#rise(last, index);
    else this.#sink(last, index);
  }

  clear(): void {
    for (const item of this.#items) item.heapIndex = -1;
    this.#items.length = 0;
  }

  #rise(item: InFlight, from: number): void {
    const items = this.#items;
    let index = from;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = items[above] as InFlight; // in range
      if (!this.#isBefore(item, parent)) break;
      items[index] = parent;
      parent.heapIndex = index;
      index = above;
    }
    items[index] = item;
    item.heapIndex = index;
  }

  #sink(item: InFlight, from: number): void {
    const items = this.#items;
    const { length } = items;
    let index = from;
    for (;;) {
      let below = 2 * index + 1;
      if (below >= length) break;
      let child = items[below] as InFlight; // in range
      const right = items[below + 1];
      if (right !== undefined && this.#isBefore(right, child)) {
        below++;
        child = right;
      }
      if (!this.#isBefore(child, item)) break;
      items[index] = child;
      child.heapIndex = index;
      index = below;
    }
    items[index] = item;
    item.heapIndex = index;
  }
}
