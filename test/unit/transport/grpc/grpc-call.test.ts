/** A call's time limits, on a clock that the test moves. */
import { describe, expect, it } from 'vitest';
import type { UnaryMethod } from '../../../../src/transport/grpc/call.ts';
import { Decompressor } from '../../../../src/transport/grpc/compression.ts';
import { GrpcCall } from '../../../../src/transport/grpc/grpc-call.ts';
import { AssemblyBudget } from '../../../../src/transport/grpc/message-reader.ts';
import { Flag, FrameType } from '../../../../src/transport/http2/frames.ts';
import { TimerWheel } from '../../../../src/util/timer-wheel.ts';
import { frame, messageFrame } from '../../../support/http2-frames.ts';
import { Http2Peer } from '../../../support/http2-peer.ts';

interface Bed {
  readonly peer: Http2Peer;
  readonly budget: AssemblyBudget;
  readonly cancelled: () => number;
  /** `name: value` of the headers that have come on all streams. */
  heard(): Promise<string[]>;
}

/** One connection whose calls all go to a method that never answers. */
function bed(): Bed {
  const budget = new AssemblyBudget(1 << 20);
  let cancelCount = 0;
  const method: UnaryMethod = {
    kind: 'unary',
    name: 'Park',
    run: (call) => {
      call.onCancel(() => {
        cancelCount += 1;
      });
    },
  };
  const peer = new Http2Peer({
    onRequest: (self, stream, head) => {
      const context = {
        wheel: new TimerWheel(self.clock, { resolutionMs: 10 }),
        nowMs: () => self.clock.monotonicMs(),
        budget,
        decompressor: new Decompressor(1 << 20),
        messageSizeMaxBytes: 1 << 20,
        onFault: () => {},
      };
      return new GrpcCall(context, self.http2, stream, { head, method });
    },
  });
  peer.greet();
  const heard = async (): Promise<string[]> => {
    const frames = (await peer.heard()).filter((one) => one.type === FrameType.headers);
    return frames.flatMap(({ payload }) =>
      (peer.decoder.decode(payload, 0, payload.length, 99_999) ?? []).map(
        ({ name, value }) => `${name}: ${value}`,
      ),
    );
  };
  return { peer, budget, cancelled: () => cancelCount, heard };
}

describe('a call', () => {
  it('ends at its deadline, not before, and tells the method once', async () => {
    const { peer, heard, cancelled } = bed();
    peer.say(
      peer.headers(1, { more: { 'grpc-timeout': '2S' } }),
      messageFrame(1, Buffer.from('x')),
    );
    await peer.clock.advance(1_990);
    expect(await heard()).toEqual([]);
    await peer.clock.advance(30);
    expect(await heard()).toContain('grpc-status: 4');
    expect(cancelled()).toBe(1);
    peer.pipe.destroy();
    expect(cancelled()).toBe(1);
  });

  it('whose message stops half-way gives back its memory', async () => {
    const { peer, heard, budget } = bed();
    const whole = messageFrame(1, Buffer.alloc(10_000));
    peer.say(peer.headers(1), frame(FrameType.data, 0, 1, whole.subarray(9, 5_000)));
    expect(budget.usedBytes).toBeGreaterThan(0);
    await peer.clock.advance(29_000);
    expect(budget.usedBytes).toBeGreaterThan(0);
    await peer.clock.advance(2_000);
    expect(await heard()).toEqual(
      expect.arrayContaining(['grpc-status: 4', 'grpc-message: the request came too slowly']),
    );
    expect(budget.usedBytes).toBe(0);
  });

  it('whose message comes steadily has all the time it needs', async () => {
    const { peer, heard, budget } = bed();
    const message = Buffer.alloc(900_000);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    const body = Buffer.concat([head, message]);
    peer.say(peer.headers(1));
    for (let at = 0; at < body.length; at += 10_000) {
      const isLast = at + 10_000 >= body.length;
      const part = body.subarray(at, at + 10_000);
      peer.say(frame(FrameType.data, isLast ? Flag.endStream : 0, 1, part));
      await peer.clock.advance(2_000);
    }
    expect(await heard()).toEqual([]);
    expect(budget.usedBytes).toBe(0);
  });

  it('gives back everything when the connection goes', () => {
    const { peer, budget } = bed();
    const whole = messageFrame(1, Buffer.alloc(10_000));
    peer.say(peer.headers(1), frame(FrameType.data, 0, 1, whole.subarray(9, 5_000)));
    peer.pipe.destroy();
    expect(budget.usedBytes).toBe(0);
  });
});
