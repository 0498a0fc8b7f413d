/** Many queues: entries go to the journal first and to blocks later, and are the same whatever happens between. */
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { draftOf, TestStore } from '../../../support/test-store.ts';

const queueCount = 12;

interface Rows {
  iterator(range: { gte: string; lt: string }): AsyncIterable<[string, Uint8Array]>;
}

/** Keys of the database that begin with a letter. */
async function keysOf(held: TestStore, letter: string): Promise<string[]> {
  const database = held.openDatabase?.() as unknown as Rows;
  const keys: string[] = [];
  for await (const [key] of database.iterator({ gte: `${letter}/`, lt: `${letter}0` })) {
    keys.push(key);
  }
  return keys;
}

function storeWith(journalEntryCount: number, journalRowCount: number): TestStore {
  const tuning = { journalEntryCount, journalRowCount, recentEntryCount: 3, tailCacheBytes: 0 };
  return new TestStore({ segmentSizeBytes: 8 << 20, tuning });
}

test('a queue has its messages, however batches, restarts and a lost index follow each other', async () => {
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        queue: fc.nat(queueCount - 1),
        count: fc.integer({ min: 1, max: 70 }),
      }),
    },
    { weight: 6, arbitrary: fc.constant('batch' as const) },
    { weight: 1, arbitrary: fc.constantFrom('restart' as const, 'lost' as const, 'drop' as const) },
  );
  const steps = fc.array(step, { minLength: 5, maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(
      steps,
      fc.nat(200),
      fc.integer({ min: 0, max: 6 }),
      async (all, most, rows) => {
        const held = await storeWith(most, rows).start();
        const sent = Array.from({ length: queueCount }, (): string[] => []);
        let number = 0;
        for (const one of all) {
          if (one === 'batch') await held.store.writeStateNow();
          else if (one === 'restart') await held.restart();
          else if (one === 'lost') await held.restartWithoutIndex();
          else if (one === 'drop') {
            held.store.dropTopic('t0');
            sent[0] = [];
          } else {
            const bodies = Array.from({ length: one.count }, () => `m${number++}`);
            const drafts = bodies.map((body) => draftOf(`t${one.queue}`, 0, body));
            await held.append(...drafts);
            sent[one.queue]?.push(...bodies);
          }
          if (one === 'lost') sent[0] = await held.bodies('t0', 0); // the log knows of no deleted topic
        }
        await held.restart();
        for (const [queue, bodies] of sent.entries()) {
          expect(await held.bodies(`t${queue}`, 0)).toEqual(bodies);
        }
        await held.store.stop();
      },
    ),
    { numRuns: 40 },
  );
});

test('a batch writes one row for entries of many queues, and none of their blocks', async () => {
  const held = await storeWith(1_000, 100).start();
  onTestFinished(() => held.store.stop());
  for (let round = 0; round < 3; round++) {
    for (let queue = 0; queue < 50; queue++) await held.append(draftOf('t', queue, 'x'));
    await held.store.writeStateNow();
  }
  expect(await keysOf(held, 'e')).toEqual([]);
  const rows = await keysOf(held, 'j');
  expect(rows.length).toBeGreaterThan(0);
  // One queue's block is full: it is written. The row with its first entries stays for the others.
  for (let count = 0; count < 64; count++) await held.append(draftOf('t', 7, 'y'));
  await held.store.writeStateNow();
  expect(await keysOf(held, 'e')).toHaveLength(1);
  expect(await keysOf(held, 'j')).toEqual(expect.arrayContaining(rows));
});

test('the journal has its bounds, and goes when blocks have all of it', async () => {
  const held = await storeWith(100, 5).start();
  onTestFinished(() => held.store.stop());
  for (let round = 0; round < 20; round++) {
    for (let queue = 0; queue < 10; queue++) await held.append(draftOf('t', queue, `m${round}`));
    await held.store.writeStateNow();
    expect((await keysOf(held, 'j')).length).toBeLessThanOrEqual(6);
  }
  for (let queue = 0; queue < 10; queue++) {
    for (let count = 20; count < 128; count++) await held.append(draftOf('t', queue, `m${count}`));
  }
  await held.store.writeStateNow();
  expect(await keysOf(held, 'j')).toEqual([]);
});

test('a new queue does not get what the journal has of a deleted one', async () => {
  const held = await storeWith(1_000, 100).start();
  onTestFinished(() => held.store.stop());
  await held.append(draftOf('stays', 0, 'a'), draftOf('goes', 0, 'b'), draftOf('goes', 0, 'c'));
  await held.store.writeStateNow();
  held.store.dropTopic('goes');
  await held.restart();
  await held.append(draftOf('new', 0, 'd'));
  await held.restart();
  expect(await held.bodies('new', 0)).toEqual(['d']);
});
