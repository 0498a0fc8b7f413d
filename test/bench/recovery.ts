/**
 * How long a server with much in its store takes to start, from exec to ready:
 *
 *   node test/bench/recovery.ts [--gib 1,10] [--rounds 3] [--folder FOLDER]
 *
 * Fills a store of each size through a real server (flush `async`, messages of 1 KiB), then starts on it again and again:
 * after a clean stop and after `kill -9` under load in both flush modes, with the system's page cache as it is and,
 * where that is allowed (Linux, root), with an empty one. Exit code 1 when one took over two seconds.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { RemotingClient } from '../../src/client/remoting-client.ts';
import { nodeClock } from '../../src/platform/node-clock.ts';
import { nodeNetwork } from '../../src/platform/node-network.ts';
import { RmqError } from '../../src/protocol/errors.ts';
import type { MessageDraft } from '../../src/protocol/message/message.ts';
import { encodeProperties } from '../../src/protocol/message/properties.ts';
import { topicOf } from '../../src/server/broker/topics/topic-table.ts';
import { RemoteBroker } from '../../src/server/proxy/remote-broker.ts';
import { plainDraft } from '../support/plain-draft.ts';
import { type ServerProcess, startProcess } from '../support/processes.ts';

const { values: flags } = parseArgs({
  options: {
    gib: { type: 'string', default: '1,10' },
    rounds: { type: 'string', default: '3' },
    folder: { type: 'string', default: tmpdir() },
  },
});
const topic = 'recovery-bench';
const queueCount = 8;
const bodyBytes = 1 << 10;
const perSend = 128;
const inFlightCount = 8;
const loadMs = 1_500;
const wantedMs = 2_000;
const out = (text: string): void => void process.stdout.write(`${text}\n`);
const properties = encodeProperties({ UNIQ_KEY: 'recovery' });

type Flush = 'sync' | 'async';

class Server {
  readonly readyMs: number;
  readonly #process: ServerProcess;
  readonly #client: RemotingClient;
  readonly #broker: RemoteBroker;
  #isOver = false;

  private constructor(process: ServerProcess, readyMs: number) {
    this.#process = process;
    this.readyMs = readyMs;
    this.#client = new RemotingClient({ network: nodeNetwork, clock: nodeClock });
    this.#broker = new RemoteBroker({
      clusterName: 'DefaultCluster',
      brokerName: 'broker-a',
      address: String(process.ready.broker),
      client: this.#client,
    });
  }

  static async start(dataDir: string, flush: Flush): Promise<Server> {
    const beganMs = performance.now();
    const process = await startProcess(['--data', dataDir, '--flush', flush], {
      deadlineMs: 120_000,
    });
    return new Server(process, performance.now() - beganMs);
  }

  putTopic(): Promise<void> {
    return this.#broker.putTopic(topicOf(topic, queueCount, 6, { 'message.type': 'NORMAL' }));
  }

  /** Sends until `isEnough`, a few requests at a time; resolves to the bytes in the log. */
  async load(isEnough: (physicalOffset: number) => boolean): Promise<number> {
    let physicalOffset = 0;
    const lane = async (queueId: number): Promise<void> => {
      const drafts = Array.from({ length: perSend }, () => draftOf(queueId));
      while (!this.#isOver && !isEnough(physicalOffset)) {
        const sent = await this.#send(drafts);
        if (sent === undefined) return;
        physicalOffset = Math.max(physicalOffset, sent);
      }
    };
    await Promise.all(Array.from({ length: inFlightCount }, (_, index) => lane(index)));
    return physicalOffset;
  }

  /** Where the newest of them lies; undefined: the server is gone. */
  #send(drafts: readonly MessageDraft[]): Promise<number | undefined> {
    const request = { drafts, producerGroup: 'bench', createFrom: undefined };
    return new Promise((resolve, reject) => {
      this.#broker.send(request, (results) => {
        if (!(results instanceof RmqError)) resolve(results.at(-1)?.physicalOffset);
        else if (this.#isOver) resolve(undefined);
        else reject(results);
      });
    });
  }

  async stop(): Promise<void> {
    await this.#process.stop();
    await this.#client.close();
  }

  async killUnderLoad(): Promise<void> {
    const load = this.load(() => false);
    await sleep(loadMs);
    this.#isOver = true;
    const { child } = this.#process;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    await this.#client.close();
    await load;
  }
}

function draftOf(queueId: number): MessageDraft {
  return plainDraft({
    topic,
    queueId,
    bornTimestampMs: Date.now(),
    body: Buffer.alloc(bodyBytes, 0x61),
    properties,
  });
}

/** Empties the page cache; false where that is not allowed. */
function dropCache(): boolean {
  try {
    execFileSync('sync');
    writeFileSync('/proc/sys/vm/drop_caches', '3');
    return true;
  } catch {
    return false; // No such thing here, or not ours to do.
  }
}

async function fill(dataDir: string, sizeBytes: number): Promise<void> {
  const server = await Server.start(dataDir, 'async');
  await server.putTopic();
  const beganMs = performance.now();
  const written = await server.load((physicalOffset) => physicalOffset >= sizeBytes);
  const seconds = (performance.now() - beganMs) / 1_000;
  await server.stop();
  const messages = Math.round(written / (bodyBytes + 118 + topic.length + properties.length));
  out(
    `${(written / 2 ** 30).toFixed(2)} GiB, about ${messages} messages, in ${seconds.toFixed(0)} s`,
  );
}

interface Case {
  readonly name: string;
  readonly flush: Flush;
  readonly isKilled: boolean;
  readonly isCold: boolean;
}

function* cases(): Iterable<Case> {
  for (const isCold of [false, true]) {
    const cache = isCold ? ', cold cache' : '';
    yield { name: `clean stop${cache}`, flush: 'sync', isKilled: false, isCold };
    for (const flush of ['sync', 'async'] as const) {
      yield { name: `kill -9 under load, flush ${flush}${cache}`, flush, isKilled: true, isCold };
    }
  }
}

/** Milliseconds from exec to ready, a number a round; undefined where the cache cannot be emptied. */
async function measure(dataDir: string, one: Case): Promise<number[] | undefined> {
  const times: number[] = [];
  for (let round = 0; round < Number(flags.rounds); round += 1) {
    const before = await Server.start(dataDir, one.flush);
    if (one.isKilled) await before.killUnderLoad();
    else await before.stop();
    if (one.isCold && !dropCache()) return undefined;
    const after = await Server.start(dataDir, one.flush);
    times.push(after.readyMs);
    await after.stop();
  }
  return times;
}

async function main(): Promise<void> {
  for (const gib of flags.gib.split(',').map(Number)) {
    const { bavail, bsize } = await statfs(flags.folder);
    const sizeBytes = gib * 2 ** 30;
    if (bavail * bsize < sizeBytes * 1.5) throw new Error(`too little free space for ${gib} GiB`);
    const dataDir = await mkdtemp(join(flags.folder, 'rmq-recovery-'));
    try {
      await fill(dataDir, sizeBytes);
      for (const one of cases()) {
        const times = await measure(dataDir, one);
        if (times === undefined) {
          out(`  ${one.name}: skipped, the page cache cannot be emptied here`);
          continue;
        }
        const worst = Math.max(...times);
        const shown = times.map((ms) => ms.toFixed(0)).join(', ');
        out(`  ${one.name}: ${shown} ms${worst < wantedMs ? '' : '  MISSED'}`);
        if (worst >= wantedMs) process.exitCode = 1;
      }
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  }
}

await main();
