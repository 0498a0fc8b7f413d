/** `rmq bench produce` */
import type { Command } from '../shared/command.ts';
import {
  type BenchOptions,
  batchFlag,
  benchFlags,
  countFlag,
  rateFlag,
  workersFlag,
} from './flags.ts';
import { Load } from './load.ts';
import { type BenchRow, benchColumns, benchRow, benchVerdict } from './result.ts';
import { runLoad, withDriver } from './session.ts';

interface Options extends BenchOptions {
  readonly rate?: number;
}

export const benchProduce: Command<Options, BenchRow> = {
  summary: 'Measure how fast a cluster takes messages',
  impact: 'change',
  isRemote: true,
  isDraining: true,
  flags: benchFlags([
    workersFlag(32, 'sends under way at once'),
    rateFlag(undefined, 'messages a second; as many as it goes when left out'),
    batchFlag(1, 'messages in one send'),
    countFlag(undefined, 'ends after this many messages, warm-up included'),
  ]),
  columns: benchColumns,
  examples: [
    ['rmq bench produce', '32 workers over gRPC for 10 s, to a topic of its own'],
    ['rmq bench produce --protocol remoting -w 256 --size 1KiB', 'as a 4.x client would'],
    ['rmq bench produce --rate 2000 --output json', 'latency at a fixed rate, for programs'],
    ['rmq bench produce --type FIFO --topics 10 --queues 8', 'message groups, ten topics'],
  ],
  verdict: benchVerdict,
  run: (context, options) =>
    withDriver(context, options, 'producer', async (driver) => {
      const { workers, rate, warmup, duration, count, batch } = options;
      const load = new Load(
        context.clock,
        {
          workers,
          ratePerSecond: rate === undefined ? undefined : rate / batch,
          warmupMs: warmup,
          durationMs: duration,
          messageCountMax: count ?? Number.POSITIVE_INFINITY,
          messagesPerPiece: batch,
        },
        driver.produce,
      );
      await runLoad(context, load);
      return benchRow(load, load.latency, {
        work: 'produce',
        protocol: options.protocol,
        bodySizeBytes: options.size,
        isInterrupted: context.signal.aborted,
      });
    }),
};
