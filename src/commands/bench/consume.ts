/** `rmq bench consume` */

import type { Command } from '../shared/command.ts';
import type { Context } from '../shared/context.ts';
import type { Driver } from './driver.ts';
import { type BenchOptions, batchFlag, benchFlags, countFlag, workersFlag } from './flags.ts';
import { Load } from './load.ts';
import { type BenchRow, benchColumns, benchRow, benchVerdict } from './result.ts';
import { fillCountOf, runLoad, withDriver } from './session.ts';

interface Options extends BenchOptions {
  readonly count: number;
}

const fillWorkers = 64;
const fillMaxMs = 600_000;

export const benchConsume: Command<Options, BenchRow> = {
  summary: 'Measure how fast a cluster gives out messages',
  impact: 'change',
  isRemote: true,
  isDraining: true,
  flags: benchFlags([
    workersFlag(8, 'receives under way at once; over Remoting at most one a queue'),
    batchFlag(32, 'messages of one receive'),
    countFlag('50000', 'messages that new topics are filled with, and that are consumed at most'),
  ]),
  columns: benchColumns,
  examples: [
    ['rmq bench consume', '50,000 messages of a topic of its own, received and acknowledged'],
    ['rmq bench consume --protocol remoting --queues 8', 'pulled, as a 4.x client would'],
    ['rmq bench consume --topic orders --duration 1m', 'by a new group, which is deleted then'],
  ],
  verdict: benchVerdict,
  run: (context, options) =>
    withDriver(context, options, 'filler', async (driver) => {
      if (options.topic === undefined) await fill(context, options, driver);
      let bytes = 0;
      const consume = driver.consume((body) => {
        bytes += body.length;
      });
      const load = new Load(
        context.clock,
        {
          workers: Math.min(options.workers, driver.consumerCountMax),
          ratePerSecond: undefined,
          warmupMs: 0,
          durationMs: options.duration,
          messageCountMax: options.count,
          messagesPerPiece: 0,
          giveUp: () => driver.cancelReceives(),
        },
        consume,
      );
      await runLoad(context, load);
      return benchRow(load, load.latency, {
        work: 'consume',
        protocol: options.protocol,
        bodySizeBytes: load.messageCount > 0 ? bytes / load.messageCount : 0,
        isInterrupted: context.signal.aborted,
      });
    }),
};

async function fill(context: Context, options: Options, driver: Driver): Promise<void> {
  const load = new Load(
    context.clock,
    {
      workers: fillWorkers,
      ratePerSecond: undefined,
      warmupMs: 0,
      durationMs: fillMaxMs,
      messageCountMax: options.count,
      messagesPerPiece: fillCountOf(options),
    },
    driver.produce,
  );
  await runLoad(context, load);
  if (load.firstError !== undefined) throw load.firstError;
}
