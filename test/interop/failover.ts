/**
 * Machines of a cluster come and go under the official Node client: npm run failover [-- --slow]
 * A NameServer, two brokers and two proxies, each a process; producers and push consumers run throughout.
 * Prints how long each change took to be seen; exit code 1 when a limit is passed or a message is lost.
 * --slow: with the default heartbeats (3 s, window 10 s) instead of quick ones.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NameServerClient } from '../../src/client/nameserver-client.ts';
import { RemotingClient } from '../../src/client/remoting-client.ts';
import { nodeClock } from '../../src/platform/node-clock.ts';
import { nodeNetwork } from '../../src/platform/node-network.ts';
import { GrpcProbe } from '../bench/grpc-client.ts';
import { createTopic } from '../support/create-topic.ts';
import { type ServerProcess, startProcess } from '../support/processes.ts';
import { FailoverLoad } from './failover-load.ts';

const topic = 'failover';
const isSlow = process.argv.includes('--slow');
const intervalMs = isSlow ? 3_000 : 500;
const windowMs = isSlow ? 10_000 : 2_000;
const heartbeats = [
  ...['--register-interval', `${intervalMs}ms`],
  ...['--registration-window', `${windowMs}ms`],
];
/** What this busy machine may add to a limit. */
const slackMs = 1_500;
/** Proxies look at the cluster every second. */
const lookMs = 1_000;
/** How long a proxy keeps clients away from a broker that left a send without an answer. */
const mistrustMs = 10_000;
/** Clients ask for their routes this often. */
const routeRefreshMs = 30_000;
/** And push consumers for their assignments. */
const assignmentScanMs = 5_000;

let passed = 0;
let failed = 0;

function check(what: string, isGood: boolean, figure: string): void {
  if (isGood) passed++;
  else failed++;
  console.log(`${isGood ? 'ok  ' : 'FAIL'} ${what.padEnd(62)} ${figure}`);
}

function limit(what: string, tookMs: number, limitMs: number): void {
  check(what, tookMs <= limitMs, `${tookMs.toFixed(0)} ms (limit ${limitMs})`);
}

/** Milliseconds until it is so; Infinity when it is not within `deadlineMs`. */
async function until(isSo: () => boolean | Promise<boolean>, deadlineMs: number): Promise<number> {
  const begunMs = performance.now();
  for (;;) {
    if (await isSo()) return performance.now() - begunMs;
    if (performance.now() - begunMs > deadlineMs) return Number.POSITIVE_INFINITY;
    await sleep(20);
  }
}

class Cluster {
  readonly #folder: string;
  readonly #client = new RemotingClient({ network: nodeNetwork, clock: nodeClock });
  readonly #running = new Map<string, ServerProcess>();
  namesrv = '';

  constructor(folder: string) {
    this.#folder = folder;
  }

  async start(name: string, role: string, more: readonly string[] = []): Promise<string> {
    const namesrv = role === 'nameserver' ? [] : ['--namesrv', this.namesrv];
    const data = join(this.#folder, name);
    const flags = ['--role', role, '--data', data, ...namesrv, ...heartbeats, ...more];
    const server = await startProcess(flags);
    this.#running.set(name, server);
    const { ready } = server;
    const address = { nameserver: ready.namesrv, broker: ready.broker, proxy: ready.grpc }[role];
    if (role === 'nameserver') this.namesrv = String(address);
    return String(address);
  }

  signal(name: string, signal: NodeJS.Signals): void {
    this.#running.get(name)?.child.kill(signal);
  }

  /** SIGTERM; how long it took to end, ms, and with which exit code. */
  async end(name: string): Promise<{ readonly tookMs: number; readonly code: unknown }> {
    const child = this.#running.get(name)?.child;
    if (child === undefined) return { tookMs: 0, code: undefined };
    const begunMs = performance.now();
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const [code] = (await ended) as [unknown];
    this.#running.delete(name);
    return { tookMs: performance.now() - begunMs, code };
  }

  async kill(name: string): Promise<void> {
    const child = this.#running.get(name)?.child;
    if (child === undefined) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    this.#running.delete(name);
  }

  /** Names of brokers in the topic's route and of all proxies; none while no NameServer answers. */
  async seen(): Promise<{ readonly brokers: string[]; readonly proxies: string[] }> {
    const addresses = [this.namesrv];
    const client = new NameServerClient({ client: this.#client, addresses, timeoutMs: 1_000 });
    try {
      const route = await client.route(topic);
      const members = (await client.members()) ?? [];
      return {
        brokers: (route?.queues ?? []).map(({ brokerName }) => brokerName),
        proxies: members.filter(({ role }) => role === 'proxy').map(({ address }) => address),
      };
    } catch {
      return { brokers: [], proxies: [] };
    }
  }

  hasBroker(name: string): Promise<boolean> {
    return this.seen().then(({ brokers }) => brokers.includes(name));
  }

  logs(): string {
    return [...this.#running].map(([name, { log }]) => `${name}:\n${log().slice(-1_500)}`).join('');
  }

  async stop(): Promise<void> {
    for (const [name, server] of [...this.#running].toReversed()) {
      this.signal(name, 'SIGCONT');
      await server.stop();
    }
    await this.#client.close();
  }
}

function report(load: FailoverLoad, what: string, gapLimitMs: number): void {
  const { acknowledged, failed: errors, longestGapMs, byProxy } = load.lap();
  const spread = [...byProxy].map(([proxy, count]) => `${proxy.split(':').at(-1)}: ${count}`);
  const figure = `${longestGapMs.toFixed(0)} ms (limit ${gapLimitMs})`;
  check(`${what}: longest time without an acknowledgement`, longestGapMs <= gapLimitMs, figure);
  console.log(
    `     ${acknowledged} acknowledged, ${errors} failed for good, by proxy port ${spread.join(', ')}`,
  );
  for (const error of new Set(load.errors.splice(0).slice(0, 3))) console.log(`     ${error}`);
}

/** Both proxies restarted in order, one after the other, on their ports. */
async function proxiesRolled(
  cluster: Cluster,
  load: FailoverLoad,
  proxies: readonly string[],
): Promise<void> {
  for (const [index, address] of proxies.entries()) {
    load.lap();
    const name = `proxy-${index + 1}`;
    const { tookMs, code } = await cluster.end(name);
    const figure = `${tookMs.toFixed(0)} ms (limit 5000), exit code ${String(code)}`;
    check(`${name} told to stop: ends in order`, code === 0 && tookMs <= 5_000, figure);
    const isGone = !(await cluster.seen()).proxies.includes(address);
    check(`${name} told to stop: has left the cluster`, isGone, '');
    await cluster.start(name, 'proxy', ['--grpc-port', address.split(':').at(-1) ?? '']);
    // A route asked for while the proxy was away names the other one alone, until it is asked for again.
    const knownMs = await until(() => load.isKnown(address), routeRefreshMs + slackMs);
    limit(`${name} restarted: all producers know it`, knownMs, routeRefreshMs + slackMs);
    await sleep(lookMs + slackMs);
    // Once a Node producer has seen a proxy fail it avoids it for ever, while another one is left: with
    // the last one gone, one send of each producer runs out of attempts.
    check(
      `${name} restarted: producers go on`,
      load.failedCount <= 4,
      `${load.failedCount} failed`,
    );
    report(load, `${name} restarted`, 1_000 + slackMs);
  }
}

async function brokerKilled(cluster: Cluster, load: FailoverLoad, port: string): Promise<void> {
  await cluster.kill('broker-b');
  const goneMs = await until(
    async () => !(await cluster.hasBroker('broker-b')),
    windowMs + slackMs,
  );
  limit('broker killed: out of the route as its connection closes', goneMs, 500 + slackMs);
  await sleep(2_000);
  report(load, 'broker killed', 2_000 + slackMs);
  await cluster.start('broker-b', 'broker', ['--broker-name', 'broker-b', '--broker-port', port]);
  const backMs = await until(() => cluster.hasBroker('broker-b'), windowMs);
  limit('broker started again: in the route after it is ready', backMs, intervalMs + slackMs);
}

async function brokerSilent(
  cluster: Cluster,
  load: FailoverLoad,
  proxies: readonly string[],
): Promise<void> {
  load.lap();
  cluster.signal('broker-a', 'SIGSTOP');
  const goneMs = await until(
    async () => !(await cluster.hasBroker('broker-a')),
    windowMs + 5_000 + slackMs,
  );
  limit('broker silent: out of the route within its window', goneMs, windowMs + 1_000 + slackMs);
  await sleep(3_000);
  // A send that is under way is given up after 2.5 s and tried again by the client.
  report(load, 'broker silent', 2_500 + 1_000 + slackMs);
  cluster.signal('broker-a', 'SIGCONT');
  const backMs = await until(() => cluster.hasBroker('broker-a'), windowMs);
  limit('broker speaks again: in the route', backMs, intervalMs + slackMs);
  const isTrusted = async (): Promise<boolean> => {
    const answers = await Promise.all(proxies.map((proxy) => isRouted(proxy, 'broker-a')));
    return answers.every(Boolean);
  };
  const trustedMs = await until(isTrusted, mistrustMs + slackMs);
  limit('broker speaks again: proxies send clients to it', trustedMs, mistrustMs + slackMs);
}

/** Whether the proxy tells a client that comes now of the broker. */
async function isRouted(proxy: string, brokerName: string): Promise<boolean> {
  const probe = new GrpcProbe(proxy);
  try {
    return (await probe.route(topic)).some(({ broker }) => broker?.name === brokerName);
  } finally {
    probe.close();
  }
}

async function proxyKilled(
  cluster: Cluster,
  load: FailoverLoad,
  address: string,
  other: string,
): Promise<void> {
  const askedMs = await until(() => load.isAsking(other, address), assignmentScanMs + slackMs);
  limit('a consumer of proxy-1 asks proxy-2 as well', askedMs, assignmentScanMs + slackMs);
  load.lap();
  const receivedBefore = load.receivedCount;
  const begunMs = performance.now();
  await cluster.kill('proxy-2');
  const isGone = async (): Promise<boolean> => !(await cluster.seen()).proxies.includes(address);
  const goneMs = await until(isGone, windowMs + slackMs);
  limit('proxy killed: out of the cluster as its connection closes', goneMs, 500 + slackMs);
  const isMoving = (): boolean => load.receivedCount > receivedBefore + 100;
  const isMoved = Number.isFinite(await until(isMoving, 15_000));
  const movedMs = isMoved ? performance.now() - begunMs : Number.POSITIVE_INFINITY;
  limit('proxy killed: consumers have received 100 messages more', movedMs, 10_000 + slackMs);
  // Who has to ask the lost proxy for its assignments does so until its next route.
  const limitMs = routeRefreshMs + assignmentScanMs + slackMs;
  const isLeft = Number.isFinite(await until(() => !load.isAsking(other, address), limitMs));
  const leftMs = isLeft ? performance.now() - begunMs : Number.POSITIVE_INFINITY;
  limit('proxy killed: that consumer asks proxy-1 only', leftMs, limitMs);
  await sleep(2_000);
  report(load, 'proxy killed', 1_000 + slackMs);
}

async function nameServerRestarted(cluster: Cluster, load: FailoverLoad): Promise<void> {
  load.lap();
  const before = await cluster.seen();
  const port = cluster.namesrv.split(':').at(-1) ?? '';
  await cluster.kill('nameserver');
  await sleep(1_000);
  await cluster.start('nameserver', 'nameserver', ['--nameserver-port', port]);
  const knowsMs = await until(async () => {
    const now = await cluster.seen();
    return now.brokers.length === 2 && now.proxies.length === before.proxies.length;
  }, windowMs);
  limit('NameServer restarted: knows everything again', knowsMs, intervalMs + slackMs);
  report(load, 'NameServer restarted', 500 + slackMs);
}

async function run(cluster: Cluster, load: FailoverLoad): Promise<void> {
  await cluster.start('nameserver', 'nameserver');
  const brokers: string[] = [];
  for (const name of ['broker-a', 'broker-b']) {
    const address = await cluster.start(name, 'broker', ['--broker-name', name]);
    await createTopic(address, topic, 4);
    brokers.push(address);
  }
  const proxies = [
    await cluster.start('proxy-1', 'proxy'),
    await cluster.start('proxy-2', 'proxy'),
  ];
  const [first = '', second = ''] = proxies;
  const bothMs = await until(async () => (await cluster.seen()).proxies.length === 2, 5_000);
  check('both proxies are known', Number.isFinite(bothMs), `${bothMs.toFixed(0)} ms`);
  await sleep(lookMs + slackMs);
  for (const proxy of proxies) {
    await load.addConsumer(proxy);
    await load.addProducer(proxy);
    await load.addProducer(proxy);
  }
  await sleep(3_000);
  const isSpread = load.sentOver(first) > 0 && load.sentOver(second) > 0;
  check('producers use both proxies', isSpread, '');
  report(load, 'quiet', slackMs);
  await proxiesRolled(cluster, load, proxies);
  await brokerKilled(cluster, load, brokers[1]?.split(':').at(-1) ?? '');
  await brokerSilent(cluster, load, proxies);
  await proxyKilled(cluster, load, second, first);
  const third = await cluster.start('proxy-3', 'proxy');
  const begunMs = performance.now();
  const isIn = async (): Promise<boolean> => (await cluster.seen()).proxies.includes(third);
  limit('proxy added: in the cluster', await until(isIn, windowMs), slackMs);
  await sleep(lookMs + slackMs);
  // The Node client's producers keep the queues they got first for ever: those that run get to know the
  // proxy with their next route, those that come use it.
  for (let count = 0; count < 2; count++) await load.addProducer(first);
  const usedMs = await until(() => load.sentOver(third) > 0, 10_000);
  limit('proxy added: new producers send over it', usedMs, 5_000 + slackMs);
  await nameServerRestarted(cluster, load);
  if (isSlow) {
    await until(() => load.isKnown(third), routeRefreshMs + slackMs);
    const knownMs = load.isKnown(third) ? performance.now() - begunMs : Number.POSITIVE_INFINITY;
    limit('proxy added: clients that run know it', knownMs, routeRefreshMs + 5_000);
  }
  const acknowledged = await load.endSending();
  // Messages that a lost proxy held become visible after their invisible time.
  const allMs = await until(() => load.missing().length === 0, 90_000);
  const missing = load.missing();
  const figure = `${acknowledged - missing.length} of ${acknowledged} after ${allMs.toFixed(0)} ms`;
  check('every acknowledged message was received', missing.length === 0, figure);
  if (missing.length > 0) console.log(`     missing: ${missing.slice(0, 20).join(' ')}`);
}

// A stream that breaks again after the client has let go of it ends its process otherwise.
process.on('uncaughtException', (error: Error & { code?: unknown }) => {
  if (error.code === 14) return;
  console.log(`FAIL ${error.stack}`);
  process.exit(1);
});

const folder = await mkdtemp(join(tmpdir(), 'rmq-failover-'));
const cluster = new Cluster(folder);
const load = new FailoverLoad(topic);
try {
  await run(cluster, load);
} catch (error) {
  failed++;
  console.log(`FAIL ${error instanceof Error ? error.stack : String(error)}`);
} finally {
  if (failed > 0) console.log(cluster.logs());
  await load.close(3_000);
  await cluster.stop();
  await rm(folder, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
// Clients whose proxy is gone keep timers that nothing else would end.
process.exit(failed === 0 ? 0 : 1);
