/** A cluster whose roles are ours or Apache's (`../shared/reference/apache`), each a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ServerProcess, startProcess } from '../support/processes.ts';

/** The script that runs Apache's servers. */
export const apache: string = fileURLToPath(
  new URL('../../../shared/reference/apache', import.meta.url),
);

/** Whether Apache's servers can be run from here. */
export const haveApache = (): boolean => existsSync(apache);

export type Maker = 'rmq' | 'apache';

export interface Makers {
  readonly nameserver: Maker;
  readonly broker: Maker;
  readonly proxy: Maker;
}

export interface MixedCluster {
  readonly namesrv: string;
  readonly grpc: string;
  readonly proxyRemoting: string;
  /** Names of the roles whose process has ended on its own, and the end of what they wrote. */
  ended(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

/** Apache's defaults refuse some of what the kits try; ours need no setting. */
const apacheBrokerSettings = ['enableMixedMessageType=true', 'recallMessageEnable=true'];

/** A block of ports: Apache's broker also takes the ports beside its own. */
export interface Ports {
  readonly namesrv: number;
  readonly broker: number;
  readonly grpc: number;
  readonly proxyRemoting: number;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

/** Finds eight free ports in a row, below those that the system deals out by itself. */
export async function freePorts(): Promise<Ports> {
  for (let base = 20_000 + (process.pid % 500) * 16; base < 32_000; base += 16) {
    const block = Array.from({ length: 8 }, (_, i) => base + i);
    const free = await Promise.all(block.map(isFree));
    // The broker listens on its port, two below it, and one above it.
    if (free.every(Boolean)) {
      return { namesrv: base, grpc: base + 1, proxyRemoting: base + 2, broker: base + 5 };
    }
  }
  throw new Error('no eight free ports in a row');
}

type ApacheRole = 'namesrv' | 'broker' | 'proxy';

class ApacheServers {
  readonly #folder: string;
  readonly #ports: Ports;
  readonly #namesrv: string;
  readonly #roles: ApacheRole[] = [];

  constructor(folder: string, ports: Ports, namesrv: string) {
    this.#folder = folder;
    this.#ports = ports;
    this.#namesrv = namesrv;
  }

  async start(role: ApacheRole): Promise<void> {
    this.#roles.push(role);
    const output = await this.#run(['start', role]);
    if (output.code !== 0) throw new Error(`Apache's ${role} did not start:\n${output.text}`);
  }

  async stop(): Promise<void> {
    if (this.#roles.length > 0) await this.#run(['stop']);
  }

  /** @returns the roles whose process is gone. */
  async ended(): Promise<readonly string[]> {
    const gone: string[] = [];
    for (const role of this.#roles) {
      const pid = Number(await readFile(join(this.#folder, 'run', `${role}.pid`), 'utf8'));
      try {
        process.kill(pid, 0);
      } catch {
        const log = await readFile(join(this.#folder, 'run', `${role}.log`), 'utf8');
        gone.push(`Apache's ${role}: ${log.slice(-1000)}`);
      }
    }
    return gone;
  }

  async #run(args: readonly string[]): Promise<{ code: number | null; text: string }> {
    const ports = this.#ports;
    const child = spawn('bash', [apache, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        DIR: this.#folder,
        NAMESRV_PORT: String(ports.namesrv),
        BROKER_PORT: String(ports.broker),
        GRPC_PORT: String(ports.grpc),
        PROXY_REMOTING_PORT: String(ports.proxyRemoting),
        NAMESRV_ADDR: this.#namesrv,
        BROKER_CONF: apacheBrokerSettings.join('\n'),
      },
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
    }
    // Not 'close': what it started holds the pipes.
    const [code] = (await once(child, 'exit')) as [number | null];
    child.stdout.destroy();
    child.stderr.destroy();
    return { code, text };
  }
}

/** Starts NameServer, broker and proxy of the makers named, on free ports of 127.0.0.1. */
export async function startMixedCluster(makers: Makers): Promise<MixedCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'rmq-mixed-'));
  const ports = await freePorts();
  const namesrv = `127.0.0.1:${ports.namesrv}`;
  const servers = new ApacheServers(join(folder, 'apache'), ports, namesrv);
  const ours: ServerProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const server of ours.toReversed()) await server.stop();
    await servers.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const startOurs = async (role: string, flags: readonly string[]): Promise<void> => {
    const data = join(folder, role);
    ours.push(await startProcess(['--role', role, '--data', data, '--namesrv', namesrv, ...flags]));
  };
  try {
    if (makers.nameserver === 'apache') await servers.start('namesrv');
    else await startOurs('nameserver', ['--nameserver-port', String(ports.namesrv)]);
    if (makers.broker === 'apache') await servers.start('broker');
    else await startOurs('broker', ['--broker-port', String(ports.broker)]);
    if (makers.proxy === 'apache') await servers.start('proxy');
    else {
      const { grpc, proxyRemoting } = ports;
      await startOurs('proxy', ['--grpc-port', `${grpc}`, '--remoting-port', `${proxyRemoting}`]);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const ended = async (): Promise<readonly string[]> => {
    const gone = ours.filter(({ child }) => child.exitCode !== null || child.signalCode !== null);
    return [...gone.map(({ log }) => `ours: ${log().slice(-1000)}`), ...(await servers.ended())];
  };
  return {
    namesrv,
    grpc: `127.0.0.1:${ports.grpc}`,
    proxyRemoting: `127.0.0.1:${ports.proxyRemoting}`,
    ended,
    stop,
  };
}
