/**
 * The command line against Apache's NameServer and broker: what reads, and topic, group, offset, send, tail, message,
 * export, import, mirror; then the time of three commands beside mqadmin's. Prints `N passed, N failed`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startRmq } from '../../src/index.ts';
import { rmq } from '../support/cli.ts';
import { haveApache, startMixedCluster } from './mixed-cluster.ts';

const apache = fileURLToPath(new URL('../../../shared/reference/apache', import.meta.url));
const budgetMs = 300;
const runs = 5;

let passed = 0;
let failed = 0;

function check(name: string, isRight: boolean, seen: string): void {
  if (isRight) passed++;
  else {
    failed++;
    console.log(`FAIL ${name}\n${seen.slice(0, 1_000)}`);
  }
}

type Run = (args: readonly string[], input?: string) => ReturnType<typeof rmq>;

/** Runs it, expects exit code 0 and what `has` says of its output. */
async function step(
  run: Run,
  line: string,
  has: string | RegExp = '',
  input = '',
): Promise<string> {
  const { code, stdout, stderr } = await run(line.split(' '), input);
  const isRight = code === 0 && (typeof has === 'string' ? stdout.includes(has) : has.test(stdout));
  check(`rmq ${line}`, isRight, `exit ${String(code)}\n${stdout}\n${stderr}`);
  return stdout;
}

async function topicsAndMessages(run: Run): Promise<void> {
  await step(run, 'topic create orders --queues 2', 'orders');
  await step(run, 'topic create steps --type FIFO', 'steps');
  await step(run, 'topic create later --type DELAY', 'later');
  await step(run, 'topic create paid --type TRANSACTION', 'paid');
  await step(run, 'topic list -o name', /^orders$/m);
  await step(run, 'topic describe orders -o json', '"messageType": "NORMAL"');
  await step(run, 'topic route orders', 'broker-a');
  await step(run, 'topic stats orders', 'orders');
  await step(run, 'topic update orders --queues 4', 'orders');
  await step(run, 'send orders hello --tag new --key k1 --prop region=eu', 'broker-a');
  await step(run, 'send orders x --count 20');
  const lines = ['a', 'b', 'c'].map((body) => JSON.stringify({ body, messageGroup: 'g' }));
  await step(run, 'send steps --json', /(.*\n){3}/, lines.join('\n'));
  await step(run, 'send later soon --delay 2s');
  await step(run, 'send paid yes --transaction commit');
  await step(run, 'send paid no --transaction rollback');
  await step(run, 'tail orders --from earliest --no-follow --tag new -o json', '"region":"eu"');
  await step(run, 'tail steps --from earliest --no-follow -o json', /"a"[^]*"b"[^]*"c"/);
  await step(run, 'tail later --from -1m --count 1', 'soon');
  const committed = await step(run, 'tail paid --from earliest --count 1 -o json', '"body":"yes"');
  check('rolled back is not there', !committed.includes('"no"'), committed);
  const found = await step(run, 'message find orders --key k1 -o json', '"body": "hello"');
  const id = /"messageId": "([^"]+)"/.exec(found)?.[1] ?? '';
  const place = /"queueId": (\d+)[^]*?"queueOffset": (\d+)/.exec(found);
  const at = `${place?.[1] ?? ''}@${place?.[2] ?? ''}`;
  if (id !== '') await step(run, `message show orders ${id}`, 'hello');
  await step(run, `message show orders ${at}`, 'hello');
  await step(run, 'message list orders --count 50', 'hello');
  await step(run, `message resend orders ${at}`, 'broker-a');
}

async function groupsAndOffsets(run: Run): Promise<void> {
  await step(run, 'group create billing --retries 3', 'billing');
  await step(run, 'group create audit', 'audit');
  await step(run, 'group list -o name', /^billing$/m);
  await step(run, 'group update billing --retries 4', 'billing');
  await step(run, 'offset reset billing orders --to earliest --yes', 'orders');
  await step(run, 'offset show billing', 'orders');
  await step(run, 'group describe billing -o json', '"lag": 2');
  await step(run, 'group members billing');
  await step(run, 'offset skip billing orders --count 2 --yes', 'orders');
  await step(run, 'offset rewind billing orders 1h --yes', 'orders');
  await step(run, 'offset set billing orders 1 --queue 0 --yes', 'orders');
  await step(run, 'offset clone billing audit --yes', 'orders');
}

async function machines(run: Run): Promise<void> {
  await step(run, 'cluster list', 'broker-a');
  await step(run, 'cluster health', 'broker-a');
  await step(run, 'broker list', 'broker-a');
  await step(run, 'broker stats broker-a', 'broker-a');
  await step(run, 'broker config broker-a', 'brokerName');
  await step(run, 'nameserver list');
  await step(run, 'nameserver config', 'listenPort');
  await step(run, 'client list');
  await step(run, 'dlq list');
}

async function dashboard(run: Run): Promise<void> {
  await step(run, 'dashboard --snapshot', 'broker-a');
  await step(run, 'dashboard --snapshot --view topics', 'orders');
  await step(run, 'dashboard --snapshot --view groups', 'billing');
  await step(run, 'dashboard --snapshot --topic orders', /^ producer \d[\d.]*:\d+ .*ago$/m);
}

/** Exports of Apache's cluster, taken over by one of ours, and mirrors both ways. */
async function moves(run: Run, namesrv: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'rmq-commands-'));
  const ours = await startRmq();
  const there: Run = (args, input = '') =>
    rmq(args, { env: { RMQ_NAMESRV: ours.endpoints.namesrv }, input });
  try {
    const parts: string[] = [];
    for (const what of ['topics', 'groups', 'offsets'])
      parts.push(await step(run, `export ${what}`));
    const file = join(folder, 'settings.ndjson');
    await writeFile(file, parts.filter((_, index) => index < 2).join(''));
    await step(there, `import ${file} -o json`, '"groupCount": 2');
    check('export offsets', (parts[2] ?? '').includes('"group":"billing"'), parts[2] ?? '');
    const messages = join(folder, 'steps.ndjson');
    await step(run, `export messages steps --file ${messages}`, '3');
    await step(run, `import ${messages} -o json`, '"messageCount": 3');
    const to = `--from ${namesrv} --state ${join(folder, 'in')}`;
    await step(there, `mirror orders paid ${to} -o json`, '"remainingCount": 0');
    await step(there, 'tail paid --from earliest --no-follow -o json', '"body":"yes"');
    await step(there, `mirror orders paid ${to} -o json`, '"copiedCount": 0');
    await ours.createTopic('back', { queues: 3 });
    for (let index = 0; index < 50; index++) await ours.send('back', { body: `b${index}` });
    const from = `--from ${ours.endpoints.namesrv} --state ${join(folder, 'out')}`;
    await step(run, `mirror back ${from} -o json`, '"copiedCount": 50');
    const { stdout, code } = await run(['doctor', '-o', 'json']);
    check('rmq doctor', code === 1 && stdout.includes('"backlog"'), stdout);
  } finally {
    await ours.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function timeOf(run: () => Promise<unknown>, times: number): Promise<number> {
  const all: number[] = [];
  for (let index = 0; index < times; index++) {
    const startMs = performance.now();
    await run();
    all.push(performance.now() - startMs);
  }
  return all.sort((a, b) => a - b)[Math.floor(times / 2)] ?? 0;
}

async function mqadmin(namesrv: string, args: readonly string[]): Promise<void> {
  const env = { ...process.env, NAMESRV_ADDR: namesrv, DIR: join(tmpdir(), 'rmq-mqadmin') };
  const child = spawn('bash', [apache, 'admin', ...args], { env, stdio: 'ignore' });
  await once(child, 'exit');
}

async function times(run: Run, namesrv: string): Promise<void> {
  const pairs: readonly (readonly [string, readonly string[]])[] = [
    ['topic list', ['topicList']],
    ['group describe billing', ['consumerProgress', '-g', 'billing']],
    [
      'message show orders 0@0',
      ['queryMsgByOffset', '-b', 'broker-a', '-t', 'orders', '-i', '0', '-o', '0'],
    ],
  ];
  for (const [ours, theirs] of pairs) {
    await run(ours.split(' '));
    const oursMs = await timeOf(() => run(ours.split(' ')), runs);
    const theirsMs = await timeOf(() => mqadmin(namesrv, theirs), 1);
    const line = `rmq ${ours}: ${oursMs.toFixed(0)} ms; mqadmin ${theirs[0] ?? ''}: ${theirsMs.toFixed(0)} ms`;
    console.log(line);
    check(`under ${budgetMs} ms: ${line}`, oursMs < budgetMs, line);
  }
}

async function main(): Promise<number> {
  if (!haveApache()) {
    console.log('skipped: ../shared/reference is not here\n0 passed, 0 failed');
    return 0;
  }
  const makers = { nameserver: 'apache', broker: 'apache', proxy: 'rmq' } as const;
  const cluster = await startMixedCluster(makers);
  const { namesrv } = cluster;
  const run: Run = (args, input = '') => rmq(args, { env: { RMQ_NAMESRV: namesrv }, input });
  try {
    await topicsAndMessages(run);
    await groupsAndOffsets(run);
    await machines(run);
    await dashboard(run);
    await moves(run, namesrv);
    await times(run, namesrv);
    await step(run, 'group delete audit --yes');
    await step(run, 'topic delete later --yes');
    for (const gone of await cluster.ended()) check('servers stay up', false, gone);
  } finally {
    await cluster.stop();
    await rm(join(tmpdir(), 'rmq-mqadmin'), { recursive: true, force: true });
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
