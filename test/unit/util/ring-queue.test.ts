import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RingQueue } from '../../../src/util/ring-queue.ts';

describe('RingQueue', () => {
  it('hands out in the order of arrival, across growth and wrapping', () => {
    const queue = new RingQueue<number>();
    let next = 0;
    let expected = 0;
    for (let round = 0; round < 200; round += 1) {
      for (let i = 0; i < 7; i += 1) queue.push(next++);
      for (let i = 0; i < 5; i += 1) expect(queue.shift()).toBe(expected++);
    }
    expect(queue.length).toBe(400);
    while (!queue.isEmpty) expect(queue.shift()).toBe(expected++);
    expect(expected).toBe(next);
    expect(queue.shift()).toBeUndefined();
    expect(queue.peek()).toBeUndefined();
  });

  it('refuses what is over its capacity and changes nothing', () => {
    const queue = new RingQueue<string>({ capacity: 2 });
    expect([queue.push('a'), queue.push('b'), queue.push('c')]).toEqual([true, true, false]);
    expect(queue.isFull).toBe(true);
    expect(queue.unshift('z')).toBe(false);
    expect([...queue]).toEqual(['a', 'b']);
    queue.shift();
    expect(queue.push('c')).toBe(true);
    expect([...queue]).toEqual(['b', 'c']);
  });

  it('refuses a capacity that holds nothing', () => {
    expect(() => new RingQueue({ capacity: 0 })).toThrow('at least one');
  });

  it('behaves like an array under any sequence of calls', () => {
    const step = fc.oneof(
      fc.record({ call: fc.constant('push' as const), value: fc.integer() }),
      fc.record({ call: fc.constant('unshift' as const), value: fc.integer() }),
      fc.record({ call: fc.constant('shift' as const), value: fc.constant(0) }),
      fc.record({ call: fc.constant('clear' as const), value: fc.constant(0) }),
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 200, size: 'max' }),
        fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
        (steps, capacity) => {
          const queue = new RingQueue<number>(capacity === undefined ? {} : { capacity });
          const model: number[] = [];
          for (const { call, value } of steps) {
            const fits = model.length < (capacity ?? Infinity);
            if (call === 'push') {
              expect(queue.push(value)).toBe(fits);
              if (fits) model.push(value);
            } else if (call === 'unshift') {
              expect(queue.unshift(value)).toBe(fits);
              if (fits) model.unshift(value);
            } else if (call === 'shift') {
              expect(queue.shift()).toBe(model.shift());
            } else if (model.length > 20) {
              queue.clear();
              model.length = 0;
            }
            expect(queue.length).toBe(model.length);
            expect(queue.peek()).toBe(model[0]);
          }
          expect([...queue]).toEqual(model);
          expect(queue.at(model.length - 1)).toBe(model.at(-1));
          expect(queue.at(model.length)).toBeUndefined();
          expect(queue.at(-1)).toBeUndefined();
        },
      ),
    );
  });
});
