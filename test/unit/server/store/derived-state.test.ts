import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { MessageDraft, PhysicalOffset } from '../../../../src/protocol/message/message.ts';
import type {
  Appended,
  DerivedState,
  StateBatch,
  StateRows,
} from '../../../../src/server/store/message-store.ts';
import { settle } from '../../../support/manual-clock.ts';
import { UnlockedFiles } from '../../../support/mortal.ts';
import { draftOf, TestStore } from '../../../support/test-store.ts';

/** Open and closed like timers: a body `+x` opens x, `-x` closes it; how often x was opened counts. */
class Ledger implements DerivedState {
  readonly prefix = 'ledger/';
  readonly open = new Map<string, number>();
  /** Bodies in the order of dispatch, of this process. */
  readonly seen: string[] = [];
  restored = 0;
  clears = 0;
  isDeletable: (offset: PhysicalOffset) => Promise<boolean> = () => Promise.resolve(true);
  readonly #dirty = new Set<string>();

  restore(key: string, value: Uint8Array): boolean {
    this.restored++;
    this.open.set(key.slice(this.prefix.length), Number(Buffer.from(value).toString()));
    return true;
  }

  clear(): void {
    this.clears++;
    this.open.clear();
    this.#dirty.clear();
  }

  dispatched(message: MessageDraft, _place: Appended): void {
    const body = Buffer.from(message.body).toString();
    this.seen.push(body);
    const name = body.slice(1);
    this.#dirty.add(name);
    if (body.startsWith('+')) this.open.set(name, (this.open.get(name) ?? 0) + 1);
    else this.open.delete(name);
  }

  collect(batch: StateBatch): void {
    for (const name of this.#dirty) {
      const count = this.open.get(name);
      if (count === undefined) batch.delete(this.prefix + name);
      else batch.put(this.prefix + name, Buffer.from(String(count)));
    }
    this.#dirty.clear();
  }
}

async function ledgerStore(
  options: ConstructorParameters<typeof TestStore>[0] = {},
): Promise<{ t: TestStore; ledger: () => Ledger }> {
  const t = new TestStore(options);
  t.files = new UnlockedFiles({ nowMs: () => t.clock.nowMs() });
  let ledger = new Ledger();
  t.prepare = (store) => {
    ledger = new Ledger();
    store.addDerivedState(ledger);
  };
  await t.start();
  return { t, ledger: () => ledger };
}

const say = (t: TestStore, body: string): Promise<unknown> => t.append(draftOf('T', 0, body));

it('is told each record once, in the order of the log, before the append is answered', async () => {
  const { t, ledger } = await ledgerStore();
  await Promise.all([say(t, '+a'), say(t, '+b')]);
  expect(ledger().seen).toEqual(['+a', '+b']);
  await t.append(draftOf('T', 0, '+c'), draftOf('U', 3, '-a'));
  expect(ledger().seen).toEqual(['+a', '+b', '+c', '-a']);
});

it('has after a crash exactly what it had, however much a batch had covered', async () => {
  const step = fc.oneof(
    fc.record({ open: fc.constantFrom('a', 'b', 'c') }),
    fc.record({ close: fc.constantFrom('a', 'b', 'c') }),
    fc.constantFrom('batch' as const, 'crash' as const, 'restart' as const),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const { t, ledger } = await ledgerStore();
      const expected = new Map<string, number>();
      for (const one of steps) {
        if (one === 'batch') await t.clock.advance(150);
        else if (one === 'crash') await t.crash();
        else if (one === 'restart') await t.restart();
        else if ('open' in one) {
          await say(t, `+${one.open}`);
          expected.set(one.open, (expected.get(one.open) ?? 0) + 1);
        } else {
          await say(t, `-${one.close}`);
          expected.delete(one.close);
        }
        expect(Object.fromEntries(ledger().open)).toEqual(Object.fromEntries(expected));
      }
      await t.store.stop();
    }),
    { numRuns: 60 },
  );
});

it('is restored before the rest of the log is dispatched', async () => {
  const { t, ledger } = await ledgerStore();
  await say(t, '+a');
  await t.clock.advance(150);
  await say(t, '+a');
  await t.crash();
  expect(ledger()).toMatchObject({ restored: 1, seen: ['+a'] });
  expect(ledger().open.get('a')).toBe(2);
});

it('is made again without an index', async () => {
  const { t, ledger } = await ledgerStore();
  for (const body of ['+a', '+b', '-a', '+b']) await say(t, body);
  await t.restartWithoutIndex();
  expect(ledger().restored).toBe(0);
  expect(Object.fromEntries(ledger().open)).toEqual({ b: 2 });
});

it('forgets what the log lost, though the database had it', async () => {
  const { t, ledger } = await ledgerStore({ flush: 'async' });
  await say(t, '+a');
  await say(t, '-a');
  const [lost] = await t.append(draftOf('T', 0, '+b'));
  await t.clock.advance(150);
  // It was not synced when the power was cut.
  await t.damage(lost!.physicalOffset, Buffer.alloc(lost!.storeSizeBytes));
  await t.crash();
  expect(ledger().clears).toBe(1);
  expect(Object.fromEntries(ledger().open)).toEqual({});
  await t.crash();
  expect(ledger()).toMatchObject({ restored: 0, clears: 0 });
});

it('is made again in full when a crash cuts that short', async () => {
  const { t, ledger } = await ledgerStore({ flush: 'async' });
  for (const body of ['+a', '-a']) await say(t, body);
  const [lost] = await t.append(draftOf('T', 0, '+b'));
  await say(t, '+c');
  await t.clock.advance(150);
  await say(t, '+d');
  await t.damage(lost!.physicalOffset, Buffer.alloc(lost!.storeSizeBytes));
  // What recovery reads once the state has been cleared waits.
  const { open } = t.files;
  let isHeld = true;
  t.files.open = async (path, options) => {
    const file = await open.call(t.files, path, options);
    const read: typeof file.read = async (...all) => {
      if (isHeld && ledger().clears > 0) await new Promise(() => {});
      return await file.read(...all);
    };
    return Object.assign(Object.create(file) as typeof file, { read });
  };
  void t.crash();
  await settle(20);
  expect(ledger().clears).toBe(1);
  await t.clock.advance(150);
  isHeld = false;
  await t.crash();
  expect(Object.fromEntries(ledger().open)).toEqual({ c: 1, d: 1 });
});

it('reads a range of its keys between two batches', async () => {
  const { t, ledger } = await ledgerStore();
  for (const name of ['a', 'b', 'c', 'd']) await say(t, `+${name}`);
  const read = async (maxCount: number): Promise<string[]> => {
    let found: StateRows = [];
    const range = { from: 'ledger/b', until: 'ledger/d' };
    await t.store.readState(range, maxCount, (rows) => (found = rows));
    return found.map(([key]) => key);
  };
  expect(await read(10)).toEqual([]);
  const batch = t.store.writeStateNow();
  expect(await read(10)).toEqual(['ledger/b', 'ledger/c']);
  expect(await read(1)).toEqual(['ledger/b']);
  await batch;
  expect(ledger().open.size).toBe(4);
});

it('keeps a segment that it still needs, and all behind it', async () => {
  const retentionMs = 60_000;
  const { t, ledger } = await ledgerStore({ retentionMs });
  const body = `+${'x'.repeat(9_000)}`;
  for (let index = 0; index < 30; index++) await say(t, body);
  const before = await t.segments();
  expect(before.length).toBeGreaterThan(3);
  const second = Number(before[1]);
  ledger().isDeletable = (offset) => Promise.resolve(offset <= second);
  await t.clock.advance(2 * retentionMs);
  await settle();
  expect((await t.segments())[0]).toBe(before[1]);
  ledger().isDeletable = () => Promise.resolve(true);
  await t.clock.advance(2 * retentionMs);
  expect(await t.segments()).toHaveLength(1);
});
