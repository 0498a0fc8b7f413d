/** What is waited for when the interrupt comes is given up; what came before it is not lost. */
import { expect, test } from 'vitest';
import { untilInterrupted } from '../../../src/commands/shared/interruptible.ts';

async function* twoAndSilence(): AsyncGenerator<number> {
  yield 1;
  yield 2;
  await new Promise(() => {}); // As a terminal on which nobody types.
}

test('an interrupt ends the wait', async () => {
  const abort = new AbortController();
  const seen: number[] = [];
  for await (const item of untilInterrupted(twoAndSilence(), abort.signal)) {
    seen.push(item);
    if (item === 2) setImmediate(() => abort.abort());
  }
  expect(seen).toEqual([1, 2]);
});

test('without one all items come, and failures come through', async () => {
  const failing = async function* (): AsyncGenerator<number> {
    yield 1;
    throw new Error('broken');
  };
  const seen: number[] = [];
  const read = async (): Promise<void> => {
    const { signal } = new AbortController();
    for await (const item of untilInterrupted(failing(), signal)) seen.push(item);
  };
  await expect(read()).rejects.toThrow('broken');
  expect(seen).toEqual([1]);
});
