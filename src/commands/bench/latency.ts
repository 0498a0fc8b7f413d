/** `rmq bench latency` */
import type { Command } from '../shared/command.ts';
import { stampOf } from './driver.ts';
import {
  type BenchOptions,
  batchFlag,
  benchFlags,
  countFlag,
  rateFlag,
  workersFlag,
} from './flags.ts';
import { Histogram } from './histogram.ts';
import { Load } from './load.ts';
import { type BenchRow, benchColumns, benchRow, benchVerdict } from './result.ts';
import { requireStamp, runLoad, withDriver } from './session.ts';

interface Options extends BenchOptions {
  readonly rate: number;
}

const producerCount = 64;
/** What is on its way when the last message was sent gets this long. */
const lastMs = 1_000;

export const benchLatency: Command<Options, BenchRow> = {
  summary: 'Measure the time from sending to receiving at a fixed rate',
  impact: 'change',
  isRemote: true,
  isDraining: true,
  flags: benchFlags([
    workersFlag(4, 'receives that wait at once; over Remoting at most one a queue'),
    rateFlag('1000', 'messages a second'),
    batchFlag(1, 'messages of one send, and at most of one receive'),
    countFlag(undefined, 'ends after this many messages, warm-up included'),
  ]),
  columns: benchColumns,
  examples: [
    ['rmq bench latency', '1,000 messages a second over gRPC for 10 s'],
    ['rmq bench latency --rate 5000 --workers 16 --protocol remoting', 'as 4.x clients would'],
    ['rmq bench latency --type DELAY --delay 5s', 'from when a message was sent, delay included'],
  ],
  verdict: benchVerdict,
  run(context, options) {
    requireStamp(options.size);
    return withDriver(context, options, 'both', async (driver) => {
      const { clock, signal } = context;
      const endToEnd = new Histogram();
      let fromMs = Number.POSITIVE_INFINITY;
      const plan = {
        ratePerSecond: options.rate / options.batch,
        warmupMs: options.warmup,
        durationMs: options.duration,
        messageCountMax: options.count ?? Number.POSITIVE_INFINITY,
      };
      const consume = driver.consume((body) => {
        const dueMs = stampOf(body);
        if (dueMs !== undefined && dueMs >= fromMs) endToEnd.recordMs(clock.monotonicMs() - dueMs);
      });
      const consumers = new Load(
        clock,
        {
          ...plan,
          workers: Math.min(options.workers, driver.consumerCountMax),
          ratePerSecond: undefined,
          durationMs: plan.durationMs + lastMs + (options.type === 'DELAY' ? options.delay : 0),
          messagesPerPiece: 0,
          giveUp: () => driver.cancelReceives(),
        },
        consume,
      );
      const produce = new Load(
        clock,
        {
          ...plan,
          workers: producerCount,
          messagesPerPiece: options.batch,
        },
        driver.produce,
      );
      fromMs = clock.monotonicMs() + options.warmup;
      const receiving = consumers.run(signal);
      await runLoad(context, produce);
      await receiving;
      return benchRow(produce, endToEnd, {
        work: 'end to end',
        protocol: options.protocol,
        bodySizeBytes: options.size,
        isInterrupted: signal.aborted,
      });
    });
  },
};
