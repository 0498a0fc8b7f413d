/** A proxy with two workers, before a broker of another process: clients on both, one killed, all drained. */
import { readdirSync, readFileSync } from 'node:fs';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import * as wire from '../../src/protocol/grpc/generated/messages.ts';
import { rmq } from '../support/cli.ts';
import { rmqHere } from '../support/here.ts';
import { type ServerProcess, startProcess } from '../support/processes.ts';

const service = '/apache.rocketmq.v2.MessagingService';
const same = (bytes: Buffer): Buffer => bytes;

let broker: ServerProcess;
let proxy: ServerProcess;
const run = (args: readonly string[]) =>
  rmqHere(args, { RMQ_NAMESRV: String(broker.ready.namesrv) });
const json = async (args: readonly string[]): Promise<unknown> => {
  const { code, stdout, stderr } = await run([...args, '--output', 'json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
};

/** A client with a connection of its own, so that clients are dealt out to the workers in turn. */
class TestClient {
  readonly id: string;
  readonly #client: Client;
  readonly #headers = new Metadata();
  readonly commands: wire.TelemetryCommand[] = [];

  constructor(id: string, to: ServerProcess = proxy) {
    this.id = id;
    this.#client = new Client(String(to.ready.grpc), credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
    });
    this.#headers.set('x-mq-client-id', id);
    this.#headers.set('x-mq-language', 'TEST');
    onTestFinished(() => this.#client.close());
  }

  call(method: string, message: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + 5_000 };
      const answer = (error: Error | null, value?: Buffer): void =>
        error === null ? resolve(value ?? Buffer.alloc(0)) : reject(error);
      const path = `${service}/${method}`;
      this.#client.makeUnaryRequest(path, same, same, message, this.#headers, options, answer);
    });
  }

  async send(topic: string, isTransaction: boolean): Promise<wire.SendResultEntry> {
    const messageType = isTransaction ? wire.MessageType.TRANSACTION : wire.MessageType.NORMAL;
    const systemProperties = { messageId: `id-${Math.random()}`, messageType, queueId: 0 };
    const message = { topic: { name: topic }, systemProperties, body: Buffer.from('hello') };
    const bytes = await this.call(
      'SendMessage',
      wire.encodeSendMessageRequest({ messages: [message] }),
    );
    const { status, entries } = wire.decodeSendMessageResponse(bytes);
    expect(status?.code).toBe(wire.Code.OK);
    return entries[0] as wire.SendResultEntry; // one message, one entry
  }

  /** Opens the telemetry stream; tells its stack when asked. */
  consume(group: string, topic: string): void {
    const stream = this.#client.makeBidiStreamRequest(
      `${service}/Telemetry`,
      same,
      same,
      this.#headers,
    );
    const say = (command: wire.TelemetryCommandInit): void => {
      stream.write(wire.encodeTelemetryCommand(command));
    };
    stream.on('error', () => {});
    stream.on('data', (bytes: Buffer) => {
      const command = wire.decodeTelemetryCommand(bytes);
      this.commands.push(command);
      const stack = command.printThreadStackTraceCommand;
      if (stack === undefined) return;
      say({ threadStackTrace: { nonce: stack.nonce, threadStackTrace: `stack of ${this.id}` } });
    });
    const subscriptions = [{ topic: { name: topic }, expression: { type: 1, expression: '*' } }];
    say({
      settings: {
        clientType: wire.ClientType.PUSH_CONSUMER,
        subscription: { group: { name: group }, subscriptions },
      },
    });
    onTestFinished(() => stream.cancel());
  }
}

/** Its child processes; Linux alone tells. */
function workersOf({ child }: ServerProcess): number[] {
  const tasks = `/proc/${child.pid}/task`;
  const lists = readdirSync(tasks).map((id) => readFileSync(`${tasks}/${id}/children`, 'utf8'));
  return lists.join(' ').trim().split(/\s+/).filter(Boolean).map(Number);
}

/** One that has ended stays in the list of processes until somebody asks how. */
function isLiving(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

const startProxy = (flags: readonly string[]): Promise<ServerProcess> =>
  startProcess([
    ...['--role', 'proxy', '--memory', '--workers', '2'],
    ...['--namesrv', String(broker.ready.namesrv), ...flags],
  ]);

beforeAll(async () => {
  broker = await startProcess(['--role', 'nameserver,broker', '--memory']);
  proxy = await startProxy([]);
});
afterAll(async () => {
  await proxy.stop();
  await broker.stop();
});

test('the clients of both workers are known through either', async () => {
  await json(['topic', 'create', 'orders', '--queues', '1']);
  await json(['group', 'create', 'billing']);
  const ids = ['c@1', 'c@2', 'c@3', 'c@4'];
  for (const id of ids) new TestClient(id).consume('billing', 'orders');
  await expect
    .poll(async () => ((await json(['group', 'members', 'billing'])) as unknown[]).length)
    .toBe(ids.length);
  // Each of these comes over a connection of its own, to one worker or the other.
  for (const id of ids) {
    expect((await run(['client', 'stack', id])).stdout).toBe(`stack of ${id}\n`);
  }
  expect(await json(['proxy', 'show', String(proxy.ready.grpc)])).toMatchObject({
    stats: { consumerCount: ids.length, connectionCount: ids.length },
  });
  const members = (await json(['proxy', 'list'])) as unknown[];
  expect(members).toHaveLength(1);
});

test('a transaction sent through one worker ends through the other', async () => {
  await json(['topic', 'create', 'payments', '--queues', '1', '--type', 'TRANSACTION']);
  const [one, two] = [new TestClient('p@1'), new TestClient('p@2')];
  const { transactionId, messageId } = await one.send('payments', true);
  // The two connections are with two workers, whichever was dealt out first.
  const bytes = await two.call(
    'EndTransaction',
    wire.encodeEndTransactionRequest({
      topic: { name: 'payments' },
      messageId,
      transactionId,
      resolution: wire.TransactionResolution.COMMIT,
    }),
  );
  expect(wire.decodeEndTransactionResponse(bytes).status?.code).toBe(wire.Code.OK);
  const found = await json(['topic', 'describe', 'payments']);
  expect(JSON.stringify(found)).toContain('"maxOffset":1');
});

test('a worker that is killed comes back, its clients go on, and the proxy stays', async () => {
  const own = await startProxy([]);
  onTestFinished(() => own.stop());
  await json(['topic', 'create', 'going-on', '--queues', '1']);
  const clients = ['k@1', 'k@2'].map((id) => new TestClient(id, own));
  for (const client of clients) await client.send('going-on', false);
  const before = workersOf(own);
  expect(before).toHaveLength(2);
  const [victim = 0, other = 0] = before;
  process.kill(victim, 'SIGKILL');
  await expect.poll(() => workersOf(own).filter((pid) => pid !== victim)).toHaveLength(2);
  expect(workersOf(own)).toContain(other);
  const names = ((await json(['proxy', 'list'])) as { name: string }[]).map(({ name }) => name);
  expect(names).toContain(String(own.ready.grpc));
  // One of them had its connection to the dead one, and makes another.
  for (const client of clients) await client.send('going-on', false);
  expect(own.log()).toContain('a worker ended and is started again');
});

test('SIGTERM drains them all and takes the proxy out of the cluster', async () => {
  const own = await startProxy([]);
  const pids = workersOf(own);
  await own.stop();
  expect(own.child.exitCode).toBe(0);
  expect(own.log()).toBe('');
  expect(pids.filter(isLiving)).toEqual([]);
  const names = ((await json(['proxy', 'list'])) as { name: string }[]).map(({ name }) => name);
  expect(names).not.toContain(String(own.ready.grpc));
});

test('workers end with a first process that is killed', async () => {
  const own = await startProxy([]);
  const pids = workersOf(own);
  own.child.kill('SIGKILL');
  await expect.poll(() => pids.filter(isLiving)).toEqual([]);
});

test('a port that is taken, and workers of a broker, are refused in one line', async () => {
  const [, port = ''] = String(proxy.ready.grpc).split(':');
  const taken = ['start', '--role', 'proxy', '--memory', '--workers', '2', '--grpc-port', port];
  const { code, stderr } = await rmq(taken);
  expect(code).toBe(1);
  expect(stderr).toContain(`cannot listen on 127.0.0.1:${port}`);
  const broad = await rmq(['start', '--memory', '--ports', 'auto', '--workers', '2']);
  expect(broad.code).toBe(2);
  expect(broad.stderr).toContain('workers are for a proxy');
});
