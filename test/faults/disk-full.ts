/**
 * A disk that fills up under load: a file system of limited size, mounted for this process alone. Producers get a
 * clear status, consumers go on; once space is freed producers go on by themselves; then the server is killed or
 * stopped, and everything must be there and whole.
 */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Life } from '../crash/life.ts';
import { Load } from '../crash/load.ts';
import { putTopics } from '../crash/messages.ts';
import { verify } from '../crash/verify.ts';
import { BrokerModel } from '../sim/broker-model.ts';
import { SimRandom } from '../sim/random.ts';
import { until } from '../support/until.ts';

const executable = fileURLToPath(new URL('../../bin/rmq.js', import.meta.url));

export interface FullDiskCase {
  readonly flush: 'sync' | 'async';
  /** Bytes that the broker leaves to others; 0: it runs into the wall. */
  readonly minFree: string;
  /** What ends the server while the disk is full; `none`: it lives until there is space. */
  readonly whileFull: 'none' | 'kill' | 'stop';
}

/** Runs in `folder`, the root of a small file system. Resolves to what happened, for a line of output. */
export async function fillDisk(folder: string, one: FullDiskCase, seed: string): Promise<string> {
  const dataDir = join(folder, 'data');
  const ballast = join(folder, 'ballast');
  const flags = ['--flush', one.flush, '--segment-size', '16MiB', '--min-free', one.minFree];
  const model = new BrokerModel({ attemptsMax: 17, isAnsweredFirst: false });
  const sizes: number[] = [];
  let failure: Error | undefined;
  const failed = (error: unknown): void => {
    failure ??= error instanceof Error ? error : new Error(String(error));
  };
  const random = new SimRandom(seed);
  const { bavail, bsize } = await statfs(folder);
  writeFileSync(ballast, Buffer.alloc(bavail * bsize - (40 << 20), 1));
  let life = await Life.start(dataDir, flags);
  try {
    await putTopics(life.broker);
    const loadOf = (incarnation: number): Load => {
      const { broker, grpc } = life;
      return new Load({ model, sizes, broker, grpc, random, incarnation, failed });
    };
    let load = loadOf(1);
    load.startProducers();
    await until(() => refusedCount(load) > 20, {
      deadlineMs: 20_000,
      what: 'producers are refused',
    });
    // More than the moment in which it filled up.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const ackedBefore = load.ackedCount;
    load.startConsumers();
    await until(() => load.consumedCount > ackedBefore / 4, {
      deadlineMs: 10_000,
      what: 'consumers go on',
    });
    const consumedWhileFull = load.consumedCount;
    if (one.whileFull !== 'none') {
      if (one.whileFull === 'kill') await life.kill();
      else await life.stop();
      load.end();
      model.processDied();
    }
    rmSync(ballast);
    if (one.whileFull !== 'none') {
      life = await Life.start(dataDir, flags);
      await verify(life.broker, dataDir, model, sizes);
      const refusals = load.refusals;
      load = loadOf(2);
      for (const [reason, count] of refusals) load.refusals.set(reason, count);
      load.start();
    }
    const ackedAtFree = load.ackedCount;
    await until(() => load.ackedCount > ackedAtFree + 50, {
      deadlineMs: 10_000,
      what: 'producers go on',
    });
    const { refusals } = load;
    await life.kill();
    load.end();
    model.processDied();
    if (failure !== undefined) throw failure;
    life = await Life.start(dataDir, flags);
    const messageCount = await verify(life.broker, dataDir, model, sizes);
    const damage = /damaged|cannot be/.exec(life.server.log())?.[0];
    if (damage !== undefined) throw new Error(`after the restart:\n${life.server.log()}`);
    await life.stop();
    execFileSync(process.execPath, [executable, 'store', 'verify', dataDir]);
    return (
      `${ackedBefore} acknowledged until full, ${consumedWhileFull} consumed while full, ` +
      `${messageCount} hold in the end; ${saidBy(refusals)}`
    );
  } catch (error) {
    process.stdout.write(life.server.log());
    life.server.child.kill('SIGKILL');
    throw error;
  } finally {
    rmSync(ballast, { force: true });
    rmSync(dataDir, { recursive: true, force: true });
  }
}

function refusedCount({ refusals }: Load): number {
  let count = 0;
  for (const one of refusals.values()) count += one;
  return count;
}

/** @throws Error when a refusal was another than that of a full disk. */
function saidBy(refusals: ReadonlyMap<string, number>): string {
  for (const reason of refusals.keys()) {
    if (!/no space left|are needed|DISK_FULL/.test(reason)) {
      throw new Error(`refused with ${reason}`);
    }
  }
  return [...refusals].map(([reason, count]) => `${count} × ${reason}`).join('; ');
}
