/** Damage to the log costs the record it hit: found, told, passed over, everything behind it served. */
import { describe, expect, it } from 'vitest';
import {
  encodeRecord,
  RecordPlacement,
  recordSizeBytes,
} from '../../../../src/protocol/message/record.ts';
import type { Appended, QueueEntry } from '../../../../src/server/store/message-store.ts';
import { localHost } from '../../../support/plain-draft.ts';
import { draftOf, TestStore } from '../../../support/test-store.ts';

/** Messages m0, m1, … in one queue, stopped in order. */
async function written(
  count: number,
  bodySize = 100,
): Promise<{ t: TestStore; places: Appended[] }> {
  const t = await new TestStore({ tuning: { tailCacheBytes: 0 } }).start();
  const places: Appended[] = [];
  for (let index = 0; index < count; index++) {
    const body = `m${index}-${'x'.repeat(bodySize)}`;
    places.push(...(await t.append(draftOf('T', 0, body, { TAGS: 'a' }))));
  }
  await t.store.stop();
  return { t, places };
}

async function readByte(t: TestStore, physicalOffset: number): Promise<number> {
  const name = (await t.segments()).filter((one) => Number(one) <= physicalOffset).pop() ?? '';
  const content = await t.files.readFile(`/store/commitlog/${name}`);
  return content[physicalOffset - Number(name)] ?? 0;
}

async function flip(t: TestStore, physicalOffset: number, bit: number): Promise<void> {
  const byte = await readByte(t, physicalOffset);
  await t.damage(physicalOffset, Buffer.from([byte ^ (1 << bit)]));
}

/** What a queue serves: the number of the message at each of its offsets, -1 where there is none. */
async function served(t: TestStore): Promise<number[]> {
  const queue = t.store.queue('T', 0);
  const found: number[] = [];
  while (queue.minOffset + found.length < queue.maxOffset) {
    const from = (queue.minOffset + found.length) as typeof queue.minOffset;
    const entries = await new Promise<readonly QueueEntry[]>((resolve, reject) => {
      t.store.readEntries(queue, from, 32, (read) =>
        read instanceof Error ? reject(read) : resolve(read),
      );
    });
    expect(entries.map((one) => Number(one.queueOffset))).toEqual(
      entries.map((_, index) => from + index),
    );
    await new Promise<void>((resolve, reject) => {
      t.store.readMessages(entries, (read) => {
        if (read instanceof Error) return reject(read);
        for (const one of read) found.push(one === undefined ? -1 : numberOf(one.body));
        resolve();
      });
    });
  }
  return found;
}

const numberOf = (body: Uint8Array): number => Number.parseInt(String(body).slice(1), 10);
const upTo = (count: number): number[] => [...Array(count).keys()];
const without = (count: number, ...lost: number[]): number[] =>
  upTo(count).map((index) => (lost.includes(index) ? -1 : index));

describe('a flipped bit', () => {
  it('anywhere in a record costs that record, with and without the index', async () => {
    const { t, places } = await written(5);
    const { physicalOffset = 0, storeSizeBytes = 0 } = places[2] ?? {};
    for (let at = 0; at < storeSizeBytes; at++) {
      await flip(t, physicalOffset + at, at % 8);
      const openDatabase = t.openDatabase;
      await t.start();
      expect(await served(t), `byte ${at}, with the index`).toEqual(without(5, 2));
      await t.store.stop();
      t.openDatabase = undefined;
      await t.start();
      expect(await served(t), `byte ${at}, without the index`).toEqual(without(5, 2));
      expect(t.report).toMatchObject({ missingMessages: 1, truncatedBytes: 0 });
      expect(t.report.holes).toMatchObject([
        { beginOffset: physicalOffset, endOffset: physicalOffset + storeSizeBytes },
      ]);
      await t.store.stop();
      t.openDatabase = openDatabase;
      await flip(t, physicalOffset + at, at % 8);
    }
  });

  it('in the last record is no torn tail, whether the index knows it or not', async () => {
    const { t, places } = await written(3);
    const { physicalOffset = 0, storeSizeBytes = 0 } = places[2] ?? {};
    const end = physicalOffset + storeSizeBytes;
    for (let at = 0; at < storeSizeBytes; at += 7) {
      await flip(t, physicalOffset + at, at % 8);
      t.openDatabase = undefined;
      await t.start();
      expect(await served(t), `byte ${at}`).toEqual([0, 1]);
      expect(t.report).toMatchObject({ truncatedBytes: 0, maxPhysicalOffset: end });
      expect(t.report.holes).toMatchObject([{ beginOffset: physicalOffset, endOffset: end }]);
      await t.store.stop();
      await flip(t, physicalOffset + at, at % 8);
    }
    t.openDatabase = undefined;
    await t.start();
    expect(await served(t)).toEqual([0, 1, 2]);
  });

  it('leaves the queue offsets as they are, also of what comes next', async () => {
    const { t, places } = await written(3);
    await flip(t, (places[2]?.physicalOffset ?? 0) + 30, 0);
    await t.start();
    const [next] = await t.append(draftOf('T', 0, 'm3'));
    expect(next?.queueOffset).toBe(3);
    expect(await served(t)).toEqual([0, 1, -1, 3]);
    await t.restartWithoutIndex();
    expect(await served(t)).toEqual([0, 1, -1, 3]);
  });

  it('costs only its own record when several are hit', async () => {
    const { t, places } = await written(40, 5_000);
    const hit = [0, 3, 4, 17, 25, 39];
    for (const number of hit) await flip(t, (places[number]?.physicalOffset ?? 0) + 3, 1);
    await t.restartWithoutIndexWhenStopped();
    // Nobody knows of offsets before the first record and behind the last.
    expect(await served(t)).toEqual(without(39, ...hit).slice(1));
    expect(t.report.holes).toHaveLength(5);
  });
});

describe('records in a body', () => {
  /** Records as whoever knows where its message will lie can make them: whole, at their offsets. */
  function forged(begin: number, count: number): Buffer {
    const placement = new RecordPlacement(localHost, true);
    const parts: Buffer[] = [];
    let at = begin;
    for (let index = 0; index < count; index++) {
      const draft = draftOf('T', 0, `m${900 + index}`);
      const out = Buffer.alloc(recordSizeBytes(draft, 1, placement));
      placement.queueOffset = 1 + index;
      placement.physicalOffset = at;
      encodeRecord(out, 0, draft, Buffer.from('T'), placement);
      parts.push(out);
      at += out.length;
    }
    return Buffer.concat(parts);
  }

  it.each([
    [0, 0],
    [3, 0],
    [0, 40],
    [5, 1],
  ])(
    'are never served, whatever the size became (%d bytes before, %d behind)',
    async (fill, rest) => {
      const t = await new TestStore({ tuning: { tailCacheBytes: 0 } }).start();
      const [first] = await t.append(draftOf('T', 0, 'm0'));
      const begin = (first?.physicalOffset ?? 0) + (first?.storeSizeBytes ?? 0);
      const inside = forged(begin + 88 + fill, 5);
      const body = Buffer.concat([Buffer.alloc(fill, 1), inside, inside.subarray(0, rest)]);
      const [around] = await t.append(draftOf('T', 0, body));
      expect(around?.physicalOffset).toBe(begin);
      await t.append(draftOf('T', 0, 'm2'));
      await t.store.stop();
      for (const size of [0, 88 + fill, 0x7fffffff, 200]) {
        const bytes = Buffer.alloc(4);
        bytes.writeInt32BE(size);
        await t.damage(begin, bytes);
        t.openDatabase = undefined;
        await t.start();
        expect(await served(t)).toEqual([0, -1, 2]);
        await t.store.stop();
      }
    },
  );
});

describe('lost sectors and files', () => {
  it('a zeroed sector costs the records that it touches', async () => {
    const { t, places } = await written(30, 150);
    const begin = 4 * 512;
    await t.damage(begin, Buffer.alloc(512));
    const hit = upTo(30).filter((index) => {
      const { physicalOffset = 0, storeSizeBytes = 0 } = places[index] ?? {};
      return physicalOffset < begin + 512 && physicalOffset + storeSizeBytes > begin;
    });
    await t.restartWithoutIndexWhenStopped();
    expect(await served(t)).toEqual(without(30, ...hit));
    expect(t.report.holes).toHaveLength(1);
  });

  it('a closed segment that lost its end costs what was there', async () => {
    const { t, places } = await written(30, 9_000);
    const [, second = ''] = await t.segments();
    const file = await t.files.open(`/store/commitlog/${second}`, { create: false });
    await file.truncate(20_000);
    const lost = upTo(30).filter((index) => {
      const { physicalOffset = 0, storeSizeBytes = 0 } = places[index] ?? {};
      const cut = Number(second) + 20_000;
      return physicalOffset < Number(second) + (64 << 10) && physicalOffset + storeSizeBytes > cut
        ? physicalOffset >= Number(second)
        : false;
    });
    expect(lost.length).toBeGreaterThan(2);
    await t.restartWithoutIndexWhenStopped();
    expect(await served(t)).toEqual(without(30, ...lost));
  });

  it.each(['with', 'without'])('a segment is missing in the middle, %s the index', async (way) => {
    const { t, places } = await written(30, 9_000);
    const [, second = ''] = await t.segments();
    await t.files.remove(`/store/commitlog/${second}`);
    const lost = upTo(30).filter((index) => {
      const at = places[index]?.physicalOffset ?? 0;
      return at >= Number(second) && at < Number(second) + (64 << 10);
    });
    if (way === 'without') t.openDatabase = undefined;
    await t.start();
    expect(await served(t)).toEqual(without(30, ...lost));
    const [next] = await t.append(draftOf('T', 0, 'm30'));
    expect(next?.queueOffset).toBe(30);
  });

  it('the oldest segment is missing: the queue begins later', async () => {
    const { t, places } = await written(30, 9_000);
    const [first = '', second = ''] = await t.segments();
    await t.files.remove(`/store/commitlog/${first}`);
    const min = places.findIndex((one) => one.physicalOffset >= Number(second));
    await t.start();
    expect(t.store.queue('T', 0).minOffset).toBe(min);
    expect(await served(t)).toEqual(upTo(30).slice(min));
    await t.restartWithoutIndex();
    expect(t.store.queue('T', 0).minOffset).toBe(min);
    expect(await served(t)).toEqual(upTo(30).slice(min));
  });

  it('the newest segment is missing: offsets go on where they were', async () => {
    const { t } = await written(30, 9_000);
    const last = (await t.segments()).at(-1) ?? '';
    await t.files.remove(`/store/commitlog/${last}`);
    await t.start();
    expect(t.report.holes).toHaveLength(1);
    const [next] = await t.append(draftOf('T', 0, 'm30'));
    expect(next?.queueOffset).toBe(30);
    expect((await served(t)).at(-1)).toBe(30);
    await t.restartWithoutIndex();
    expect(t.store.queue('T', 0).maxOffset).toBe(31);
    expect((await served(t)).at(-1)).toBe(30);
  });

  it('the whole log is gone: topics, groups and offsets stay', async () => {
    const { t } = await written(30, 9_000);
    for (const name of await t.segments()) await t.files.remove(`/store/commitlog/${name}`);
    t.prepare = (store) =>
      store.addStateSource({ collect: (batch) => batch.put('topic/T', Buffer.from('mine')) });
    await t.start();
    expect(t.report.maxPhysicalOffset).toBeGreaterThan(0);
    const [next] = await t.append(draftOf('T', 0, 'm30'));
    expect(next?.queueOffset).toBe(30);
    expect(await served(t)).toEqual([30]);
    await t.restart();
    expect(await served(t)).toEqual([30]);
  });

  it('what the crash tore is passed over when what was written with it is whole', async () => {
    const { t, places } = await written(3, 2_000);
    const { physicalOffset = 0 } = places[1] ?? {};
    // The sector behind the one in which the record begins.
    const sector = (Math.floor(physicalOffset / 512) + 1) * 512;
    await t.damage(sector, Buffer.alloc(512));
    await t.restartWithoutIndexWhenStopped();
    expect(await served(t)).toEqual([0, -1, 2]);
  });
});

it('a topic that was deleted and made again is indexed anew from the log', async () => {
  const { t } = await written(5);
  await t.start();
  t.store.dropTopic('T');
  await t.append(draftOf('T', 0, 'm50'));
  expect(await served(t)).toEqual([50]);
  await t.restartWithoutIndex();
  expect(await served(t)).toEqual([50]);
});

it('a store that could not be opened can be opened later, in the same process', async () => {
  const { t } = await written(3);
  const list = t.files.list.bind(t.files);
  t.files.list = () => Promise.reject(new Error('the disk does not answer'));
  await expect(t.start()).rejects.toThrow('the disk does not answer');
  await t.store.stop();
  t.files.list = list;
  await t.start();
  expect(await served(t)).toEqual([0, 1, 2]);
});
