/** HTTP/2 as a server speaks it: what h2spec does not ask, and what a hostile client would try. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Flag, FrameType, Setting } from '../../../../src/transport/http2/frames.ts';
import { ErrorCode } from '../../../../src/transport/http2/http2-error.ts';
import { http2Limits } from '../../../../src/transport/http2/limits.ts';
import {
  frame,
  greeting,
  settingsFrame,
  windowUpdateFrame,
} from '../../../support/http2-frames.ts';
import { answerHead, answerTrailers, Http2Peer } from '../../../support/http2-peer.ts';
import { settle } from '../../../support/manual-clock.ts';

const nothing = Buffer.alloc(0);

function data(streamId: number, text: string, isLast = true): Buffer {
  return frame(FrameType.data, isLast ? Flag.endStream : 0, streamId, Buffer.from(text));
}

function padded(streamId: number, text: string, padding: number): Buffer {
  const payload = Buffer.concat([Buffer.from([padding]), Buffer.from(text), Buffer.alloc(padding)]);
  return frame(FrameType.data, Flag.padded | Flag.endStream, streamId, payload);
}

const reset = (streamId: number): Buffer =>
  frame(FrameType.rstStream, 0, streamId, Buffer.from([0, 0, 0, ErrorCode.cancel]));
const ping = (flags = 0): Buffer => frame(FrameType.ping, flags, 0, Buffer.from('pingpong'));

/** HEADERS in three frames, the second empty. */
function splitHeaders(peer: Http2Peer, streamId: number): Buffer {
  const block = peer.headers(streamId, { more: { 'x-long': 'v'.repeat(300) } }).subarray(9);
  return Buffer.concat([
    frame(FrameType.headers, 0, streamId, block.subarray(0, 20)),
    frame(FrameType.continuation, 0, streamId, nothing),
    frame(FrameType.continuation, Flag.endHeaders, streamId, block.subarray(20)),
  ]);
}

/** A client's whole conversation: what there is of frames, in one stream of bytes. */
function conversation(peer: Http2Peer): Buffer {
  return Buffer.concat([
    greeting([Setting.initialWindowSize, 100_000]),
    peer.headers(1, { more: { 'x-one': 'a', 'content-length': '11' } }),
    data(1, 'hello ', false),
    ping(),
    data(1, 'world'),
    frame(FrameType.priority, 0, 3, Buffer.from([0, 0, 0, 1, 10])),
    peer.headers(3),
    padded(3, 'padded body', 200),
    splitHeaders(peer, 5),
    frame(0x77, 0xff, 5, Buffer.from('unknown')),
    data(5, 'with trailers', false),
    trailersOf(peer, 5),
    settingsFrame([Setting.initialWindowSize, 5]),
    peer.headers(7),
    data(7, 'slowly'),
    windowUpdateFrame(7, 1_000),
    peer.headers(9, { isLast: true }),
    reset(9),
  ]);
}

function trailersOf(peer: Http2Peer, streamId: number): Buffer {
  const list = [{ name: 'x-checksum', value: '1', use: 'once' as const }];
  const block = Buffer.from(peer.encoder.block({ headers: list, isConstant: false }));
  return frame(FrameType.headers, Flag.endHeaders | Flag.endStream, streamId, block);
}

async function outcome(cuts: readonly number[]): Promise<string> {
  const peer = new Http2Peer();
  const bytes = conversation(new Http2Peer());
  let begin = 0;
  for (const cut of [
    ...cuts.map((one) => one % bytes.length).toSorted((a, b) => a - b),
    bytes.length,
  ]) {
    if (cut > begin) peer.say(bytes.subarray(begin, cut));
    begin = Math.max(begin, cut);
  }
  const seen = peer.requests.map(({ stream, head, body, isEnded, isAborted }) => ({
    id: stream.id,
    headers: head.fields.map(({ name, value }) => `${name}: ${value}`),
    body,
    isEnded,
    isAborted,
  }));
  const heard = (await peer.heard()).map(
    ({ type, flags, streamId, payload }) =>
      `${type} ${flags} ${streamId} ${payload.toString('hex')}`,
  );
  return JSON.stringify(
    { seen, heard, isClosed: peer.isClosed, why: peer.closeReason?.message },
    null,
    1,
  );
}

describe('a conversation', () => {
  it('is served', async () => {
    const whole = JSON.parse(await outcome([])) as {
      seen: Array<{ body: string }>;
      isClosed: boolean;
    };
    expect(whole.seen.map(({ body }) => body)).toEqual([
      'hello world',
      'padded body',
      'with trailers',
      'slowly',
      '',
    ]);
    expect(whole.isClosed).toBe(false);
  });

  it('is the same however the bytes are cut', async () => {
    const whole = await outcome([]);
    const size = conversation(new Http2Peer()).length;
    expect(await outcome(Array.from({ length: size }, (_, i) => i))).toBe(whole);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { maxLength: 30 }), async (cuts) => {
        expect(await outcome(cuts)).toBe(whole);
      }),
      { numRuns: 60 },
    );
  });

  it('gets one write for everything that one chunk asks', async () => {
    const peer = new Http2Peer();
    peer.greet();
    const before = peer.pipe.writeCount;
    peer.say(...[1, 3, 5, 7, 9].flatMap((id) => [peer.headers(id), data(id, 'x')]));
    expect(peer.pipe.writeCount).toBe(before + 1);
    const ends = (await peer.heard()).filter(
      (one) => one.type === FrameType.headers && one.flags & 1,
    );
    expect(ends).toHaveLength(5);
  });

  it('survives any bytes: an orderly end, or none', async () => {
    const anyFrame = fc
      .record({
        type: fc.integer({ min: 0, max: 11 }),
        flags: fc.constantFrom(0, 1, 4, 5, 8, 0x20, 0x2d, 0xff),
        streamId: fc.constantFrom(0, 1, 2, 3, 5, 7, 0x7fffffff),
        payload: fc.oneof(
          fc.uint8Array({ maxLength: 40 }),
          fc
            .constantFrom(...['8386844103612f62', '00000004', '0000000000000000', '000400000001'])
            .map((text) => new Uint8Array(Buffer.from(text, 'hex'))),
        ),
      })
      .map(({ type, flags, streamId, payload }) => frame(type, flags, streamId, payload));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ weight: 9, arbitrary: anyFrame }, fc.uint8Array({ maxLength: 30 })), {
          maxLength: 30,
        }),
        async (parts) => {
          const peer = new Http2Peer();
          peer.greet();
          for (const part of parts) peer.say(Buffer.from(part));
          const frames = await peer.heard();
          if (peer.isClosed) {
            expect(frames.at(-1)?.type).toBe(FrameType.goaway);
            expect(peer.closeReason?.name).toBe('Error');
          }
          peer.pipe.destroy();
          for (const one of peer.requests) expect(one.isAborted || one.isEnded).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('flow control', () => {
  it('sends what the windows allow, streams in turns, trailers last', async () => {
    const peer = new Http2Peer({
      onEnd: ({ stream }) => {
        stream.respond(answerHead, false);
        stream.send(Buffer.from('head:'), Buffer.alloc(40_000, stream.id));
        stream.end(answerTrailers);
      },
    });
    peer.greet([Setting.initialWindowSize, 10]);
    peer.say(peer.headers(1, { isLast: true }), peer.headers(3, { isLast: true }));
    const first = (await peer.heard()).filter((one) => one.type === FrameType.data);
    expect(first.map((one) => [one.streamId, one.payload.length])).toEqual([
      [1, 10],
      [3, 10],
    ]);
    peer.say(settingsFrame([Setting.initialWindowSize, 1_000_000]));
    const rest = (await peer.heard()).filter((one) => one.type === FrameType.data);
    // 65,535 of the connection, less what is gone.
    expect(rest.reduce((sum, one) => sum + one.payload.length, 0)).toBe(65_535 - 20);
    expect(new Set(rest.slice(0, 2).map((one) => one.streamId))).toEqual(new Set([1, 3]));
    peer.say(windowUpdateFrame(0, 1_000_000));
    const end = await peer.heard();
    expect(
      end.filter((one) => one.type === FrameType.headers && (one.flags & 1) === 1),
    ).toHaveLength(2);
    expect(peer.http2.streamCount).toBe(0);
  });

  it('sends nothing of a stream whose window was made smaller than what it has sent', async () => {
    const peer = new Http2Peer();
    peer.greet([Setting.initialWindowSize, 200_000]);
    peer.say(peer.headers(1));
    for (let count = 1; count <= 8; count++) peer.say(data(1, 'a'.repeat(16_000), count === 8));
    const bodies = async (): Promise<number[]> =>
      (await peer.heard())
        .filter(({ type }) => type === FrameType.data)
        .map(({ payload }) => payload.length);
    const sum = (sizes: readonly number[]): number => sizes.reduce((all, size) => all + size, 0);
    // The connection's window holds it up, then its own is below zero.
    expect(sum(await bodies())).toBe(65_535);
    peer.say(settingsFrame([Setting.initialWindowSize, 1_000]));
    peer.say(windowUpdateFrame(0, 1_000_000));
    expect(await bodies()).toEqual([]);
    peer.say(windowUpdateFrame(1, 100_000));
    expect(sum(await bodies())).toBe(1_000 + 100_000 - 65_535);
    peer.say(windowUpdateFrame(1, 100_000));
    expect(sum(await bodies())).toBe(8 * 16_000 - 101_000);
  });

  it('tells the producer when to wait and when to go on', async () => {
    const peer = new Http2Peer({ onEnd: ({ stream }) => stream.respond(answerHead, false) });
    peer.greet([Setting.initialWindowSize, 0]);
    peer.say(peer.headers(1, { isLast: true }));
    const [request] = peer.requests;
    expect(request?.stream.send(nothing, Buffer.alloc(1_000))).toBe(true);
    expect(request?.stream.send(nothing, Buffer.alloc(64 * 1024))).toBe(false);
    peer.say(windowUpdateFrame(1, 1_000));
    expect(request?.drainCount).toBe(0);
    peer.say(windowUpdateFrame(1, 100_000), windowUpdateFrame(0, 100_000));
    expect(request?.drainCount).toBe(1);
  });

  it('gives windows back as bodies come', async () => {
    const peer = new Http2Peer();
    peer.greet();
    await peer.heard();
    peer.say(peer.headers(1));
    const part = Buffer.alloc(16_384);
    const count = http2Limits.streamWindowBytes / part.length;
    for (let i = 0; i < count / 2; i += 1) peer.say(frame(FrameType.data, 0, 1, part));
    const updates = (await peer.heard()).filter((one) => one.type === FrameType.windowUpdate);
    expect(updates.map((one) => [one.streamId, one.payload.readUInt32BE(0)])).toEqual([
      [1, http2Limits.streamWindowBytes / 2],
    ]);
  });
});

describe('a hostile client', () => {
  const floods: ReadonlyArray<readonly [string, (peer: Http2Peer, i: number) => Buffer]> = [
    ['rapid reset', (peer, i) => Buffer.concat([peer.headers(2 * i + 1), reset(2 * i + 1)])],
    ['PING', () => ping()],
    ['SETTINGS', () => settingsFrame([Setting.initialWindowSize, 70_000])],
    ['acknowledgements', () => frame(FrameType.settings, Flag.ack, 0)],
    ['PRIORITY', () => frame(FrameType.priority, 0, 1, Buffer.from([0, 0, 0, 3, 1]))],
    ['window updates', () => windowUpdateFrame(0, 1)],
    ['unknown frames', () => frame(0x40, 0, 0)],
    ['empty DATA', (peer, i) => (i === 0 ? peer.headers(1) : frame(FrameType.data, 0, 1))],
    [
      'resets provoked from us',
      (peer, i) => Buffer.concat([peer.headers(2 * i + 1), windowUpdateFrame(2 * i + 1, 0)]),
    ],
    [
      'malformed requests',
      (peer, i) => peer.headers(2 * i + 1, { more: { connection: 'close' }, isLast: true }),
    ],
  ];
  it.each(floods)('that floods with %s is told to be calm, soon', async (_what, one) => {
    const peer = new Http2Peer({ onEnd: () => {} });
    peer.greet();
    let count = 0;
    while (!peer.isClosed && count < 100_000) peer.say(one(peer, count++));
    expect(await peer.goaway()).toBe(ErrorCode.enhanceYourCalm);
    expect(count).toBeLessThan(30_000);
  });

  it.each(floods)('in moderation is served: %s', async (_what, one) => {
    const peer = new Http2Peer({ onEnd: () => {} });
    peer.greet();
    // An hour of a few a second.
    for (let i = 0; i < 1_000; i += 1) {
      peer.say(one(peer, i));
      if (i % 100 === 0) await peer.clock.advance(100);
    }
    expect(peer.isClosed).toBe(false);
  });

  it('whose header block does not end is told to be calm', async () => {
    const peer = new Http2Peer();
    peer.greet();
    peer.say(frame(FrameType.headers, 0, 1, Buffer.from([0x82])));
    let count = 0;
    while (!peer.isClosed && count < 10_000) {
      peer.say(frame(FrameType.continuation, 0, 1, count % 2 === 0 ? nothing : Buffer.alloc(100)));
      count += 1;
    }
    expect(await peer.goaway()).toBe(ErrorCode.enhanceYourCalm);
    expect(count).toBeLessThan(100);
  });

  it('whose headers are a bomb gets 431, and the next request is served', async () => {
    const peer = new Http2Peer();
    peer.greet();
    const large = { name: 'x-large', value: 'v'.repeat(3_900), use: 'repeats' as const };
    const block = peer.encoder.block({ headers: [large], isConstant: false });
    const bomb = Buffer.concat([block, Buffer.alloc(12_000, 0xbe)]); // 47 MiB of headers
    peer.say(frame(FrameType.headers, Flag.endHeaders | Flag.endStream, 1, bomb));
    peer.say(peer.headers(3), data(3, 'next'));
    const answers = (await peer.heard()).filter((one) => one.type === FrameType.headers);
    const [head] = answers;
    const fields = peer.decoder.decode(
      head?.payload ?? nothing,
      0,
      head?.payload.length ?? 0,
      9_999,
    );
    expect(fields?.[0]?.value).toBe('431');
    expect(peer.requests.map(({ body }) => body)).toEqual(['next']);
  });

  it('that opens too many streams is refused the rest', async () => {
    const peer = new Http2Peer({ onEnd: () => {} });
    peer.greet();
    const max = http2Limits.concurrentStreamCountMax;
    for (let i = 0; i <= max; i += 1) peer.say(peer.headers(2 * i + 1, { isLast: true }));
    expect(peer.http2.streamCount).toBe(max);
    const [refusal] = (await peer.heard()).filter((one) => one.type === FrameType.rstStream);
    expect(refusal?.streamId).toBe(2 * max + 1);
    expect(refusal?.payload.readUInt32BE(0)).toBe(ErrorCode.refusedStream);
  });

  it('whose calls hold too many headers is refused more, until some end', async () => {
    const peer = new Http2Peer({ onEnd: () => {} });
    peer.greet();
    const open = (i: number): void => {
      const more = Object.fromEntries(
        Array.from({ length: 5 }, (_, n) => [`x-${n}`, `${i} `.padEnd(3_000)]),
      );
      peer.say(peer.headers(2 * i + 1, { more }));
    };
    let count = 0;
    while (peer.requests.length === count && count < 10_000) open(count++);
    expect(count * 15_000).toBeLessThan(http2Limits.heldHeadersMaxBytes + (1 << 20));
    const refusals = (await peer.heard()).filter((one) => one.type === FrameType.rstStream);
    expect(refusals.map((one) => one.payload.readUInt32BE(0))).toEqual([ErrorCode.refusedStream]);
    peer.say(reset(1), reset(3));
    open(count);
    expect(peer.requests).toHaveLength(count);
  });

  it('that does not read is not read from, and closed in the end', async () => {
    const peer = new Http2Peer({
      onEnd: ({ stream }) => {
        stream.respond(answerHead, false);
        stream.send(nothing, Buffer.alloc(4 << 20));
        stream.end(answerTrailers);
      },
    });
    peer.greet([Setting.initialWindowSize, 2 ** 31 - 1]);
    peer.say(windowUpdateFrame(0, 2 ** 31 - 1 - 65_535));
    peer.pipe.isBlocked = true;
    peer.say(peer.headers(1, { isLast: true }));
    await settle(2);
    expect(peer.pipe.isPaused).toBe(true);
    // What waits in the socket is bounded; the rest waits in its stream.
    expect(peer.pipe.pendingBytes).toBeLessThan(3 << 20);
    const waiting = peer.pipe.pendingBytes;
    await peer.clock.advance(http2Limits.stalledMaxMs - 1_000);
    expect(peer.isClosed).toBe(false);
    // It takes something, so it has time again.
    peer.pipe.pendingBytes = waiting - 1_000;
    await peer.clock.advance(http2Limits.stalledMaxMs);
    expect(peer.isClosed).toBe(false);
    await peer.clock.advance(http2Limits.stalledMaxMs);
    expect(peer.isClosed).toBe(true);
    expect(peer.closeReason?.message).toContain('has taken nothing');
  });

  it('that reads again gets all of it', async () => {
    const size = 4 << 20;
    const peer = new Http2Peer({
      onEnd: ({ stream }) => {
        stream.respond(answerHead, false);
        stream.send(nothing, Buffer.alloc(size));
        stream.end(answerTrailers);
      },
    });
    peer.greet([Setting.initialWindowSize, 2 ** 31 - 1]);
    peer.say(windowUpdateFrame(0, 2 ** 31 - 1 - 65_535));
    peer.pipe.isBlocked = true;
    peer.say(peer.headers(1, { isLast: true }));
    await settle(2);
    peer.pipe.isBlocked = false;
    peer.pipe.pendingBytes = 0;
    peer.pipe.handler?.onDrain();
    expect(peer.pipe.isPaused).toBe(false);
    const frames = (await peer.heard()).filter((one) => one.type === FrameType.data);
    expect(frames.reduce((sum, one) => sum + one.payload.length, 0)).toBe(size);
  });

  it('that lets answers pile up behind its window is closed', async () => {
    const peer = new Http2Peer({
      onEnd: ({ stream }) => {
        stream.respond(answerHead, false);
        stream.send(nothing, Buffer.alloc(8 << 20));
        stream.end(answerTrailers);
      },
    });
    peer.greet([Setting.initialWindowSize, 0]);
    let count = 0;
    while (!peer.isClosed && count < 100) peer.say(peer.headers(2 * count++ + 1, { isLast: true }));
    expect(count * (8 << 20)).toBeLessThanOrEqual(http2Limits.queuedAnswerMaxBytes + (16 << 20));
    expect(peer.isClosed).toBe(true);
  });
});

describe('time', () => {
  it('ends for who does not greet', async () => {
    const peer = new Http2Peer();
    peer.say(Buffer.from('PRI * HTTP/2.0\r\n'));
    await peer.clock.advance(http2Limits.prefaceMaxMs + 100);
    expect(peer.isClosed).toBe(true);
  });

  it('asks who is silent, and closes who does not answer', async () => {
    const peer = new Http2Peer();
    peer.greet();
    await peer.heard();
    await peer.clock.advance(1.5 * http2Limits.silenceMs);
    expect((await peer.heard()).filter((one) => one.type === FrameType.ping)).toHaveLength(1);
    peer.say(frame(FrameType.ping, Flag.ack, 0, Buffer.from([0, 0, 0, 0, 0, 0, 0, 1])));
    await peer.clock.advance(1.9 * http2Limits.silenceMs);
    expect(peer.isClosed).toBe(false);
    await peer.clock.advance(http2Limits.silenceMs);
    expect(peer.isClosed).toBe(true);
    expect(peer.clock.timerCount).toBeLessThanOrEqual(1);
  });
});

describe('draining', () => {
  it('says GOAWAY twice, serves what was begun before, and closes', async () => {
    const peer = new Http2Peer({ onEnd: () => {} });
    peer.greet();
    peer.say(peer.headers(1, { isLast: true }));
    await peer.heard();
    peer.http2.drain();
    const first = await peer.heard();
    expect(first.map((one) => one.type)).toEqual([FrameType.goaway, FrameType.ping]);
    expect(first[0]?.payload.readUInt32BE(0)).toBe(2 ** 31 - 1);
    // This one was on its way.
    peer.say(peer.headers(3, { isLast: true }));
    peer.say(frame(FrameType.ping, Flag.ack, 0, first[1]?.payload));
    const second = await peer.heard();
    expect(second[0]?.payload.readUInt32BE(0)).toBe(3);
    peer.say(peer.headers(5, { isLast: true }));
    expect(peer.requests).toHaveLength(2);
    for (const { stream } of peer.requests) {
      expect(peer.isClosed).toBe(false);
      stream.respond(answerHead, true);
    }
    await settle(2);
    expect(peer.isClosed).toBe(true);
    expect(peer.closeReason).toBeUndefined();
  });

  it('does not wait for an answer to its PING', async () => {
    const peer = new Http2Peer();
    peer.greet();
    peer.http2.drain();
    await peer.clock.advance(1_100);
    expect(peer.isClosed).toBe(true);
  });
});

describe('requests being worked on', () => {
  it('stop the reading when they are too many bytes, and start it again', () => {
    const peer = new Http2Peer();
    peer.greet();
    peer.http2.hold(http2Limits.heldRequestMaxBytes + 1);
    expect(peer.pipe.isPaused).toBe(true);
    peer.http2.hold(-2);
    expect(peer.pipe.isPaused).toBe(false);
  });
});
