/**
 * Drives our server with the official clients of other languages: the kits of `../shared/interop`.
 *
 *   npm run interop -- [--three] [--clients "node go"] [--repeat 3] [--only PATTERN] [--jobs N]
 *                      [--quick] [--log DIR]
 *
 * Starts the server on free ports (in three processes with --three), runs each kit with the filter
 * of what this version promises, prints a table, and ends with `N passed, N failed`. `--quick`
 * leaves out what mostly waits. The exit code is 1 when something failed.
 */
import { spawn } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startDeployment } from '../support/processes.ts';

const kits = fileURLToPath(new URL('../../../shared/interop', import.meta.url));

/** Scenarios that sleep or poll for over ten seconds. */
const slow =
  '[Tt]ransaction|recall|come by time|two consumers of a group share|unacked|invisible time made|acked messages stay away|empty topic|new process goes on|failed message';

const filters: Readonly<Record<string, { all: string; quick: string }>> = {
  java: {
    all: '^Grpc',
    quick:
      '^GrpcSend\\.(sync|async|overTls|keys|largest|messageId)|^GrpcConsume\\.(push$|restart|tag|longPollingReturns)',
  },
  // Apache's 4.x clients and mqadmin, the same kit.
  'java-remoting': {
    all: '^(Remoting|Admin)',
    quick: '^Remoting(Send|Pull|Request)\\.(sync|batch|oneway|subscribe|reply$)|^AdminTopic',
  },
  'ali-ons': { all: '.', quick: '.' },
  'go-remoting': { all: '.', quick: '.' },
  other: {
    all: '',
    quick: `^(?!.*(${slow}))`,
  },
};

/** Fails on Apache's servers, too, and by the client's fault (`expected-on-apache.txt` of each kit). */
const holdsBack = 'push: a failing message holds its message group back';
const clientsFaults: Readonly<Record<string, readonly string[]>> = {
  node: [holdsBack],
  go: [holdsBack],
};

interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly failures: readonly string[];
  readonly seconds: number;
}

const { values: flags } = parseArgs({
  options: {
    three: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    clients: { type: 'string', default: 'node python go rust java' },
    repeat: { type: 'string', default: '1' },
    only: { type: 'string' },
    jobs: { type: 'string', default: '4' },
    log: { type: 'string' },
    grpc: { type: 'string' },
    namesrv: { type: 'string' },
  },
});

function runKit(client: string, grpc: string, namesrv: string, round: number): Promise<Outcome> {
  const filter = filters[client] ?? filters['other'];
  const only = flags.only ?? (flags.quick ? filter?.quick : filter?.all) ?? '';
  const args = ['--grpc', grpc, '--namesrv', namesrv, '--only', only, '--jobs', flags.jobs];
  const startedMs = performance.now();
  // The kits bring their own Node: a PATH without our node_modules finds the machine's.
  const path = (process.env['PATH'] ?? '')
    .split(':')
    .filter((part) => !part.includes('node_modules'));
  const child = spawn(join(kits, client.replace('java-remoting', 'java'), 'run'), args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: path.join(':') },
  });
  let text = '';
  if (flags.log !== undefined) mkdirSync(flags.log, { recursive: true });
  const log =
    flags.log === undefined
      ? undefined
      : createWriteStream(join(flags.log, `${client}-${round}.log`));
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      log?.write(chunk);
    });
  }
  return new Promise((resolve) => {
    const done = (why: string | undefined): void => {
      log?.end();
      const [, passed, failed] = [...text.matchAll(/^(\d+) passed, (\d+) failed/gm)].at(-1) ?? [];
      const faults = clientsFaults[client] ?? [];
      const all = text.match(/^FAIL .*$/gm) ?? [];
      const failures = all.filter(
        (line) => !faults.some((name) => line.startsWith(`FAIL ${name}`)),
      );
      const seconds = (performance.now() - startedMs) / 1000;
      if (passed === undefined || failed === undefined || Number(passed) + Number(failed) === 0) {
        const reason = `${why ?? 'no result'}: ${text.trim().slice(-500)}`;
        resolve({ passed: 0, failed: 1, failures: [`FAIL ${client} kit: ${reason}`], seconds });
      } else {
        const known = all.length - failures.length;
        resolve({ passed: Number(passed), failed: Number(failed) - known, failures, seconds });
      }
    };
    child.once('error', (error) => done(String(error)));
    child.once('close', (code) => done(`exit code ${code}`));
  });
}

async function main(): Promise<number> {
  if (!existsSync(kits)) {
    console.log('skipped: the interop kits (../shared/interop) are not here');
    console.log('0 passed, 0 failed');
    return 0;
  }
  const { grpc, namesrv } = flags;
  const existing = grpc !== undefined && namesrv !== undefined;
  const server = existing
    ? { grpc, namesrv, processes: [], stop: async () => {} }
    : await startDeployment(flags.three ? 'three' : 'one');
  let passed = 0;
  let failed = 0;
  try {
    const where = existing ? 'a running server' : flags.three ? 'three processes' : 'one process';
    console.log(`${where}: gRPC ${server.grpc}, NameServer ${server.namesrv}`);
    console.log('round client   passed failed seconds');
    for (let round = 1; round <= Number(flags.repeat); round += 1) {
      for (const client of flags.clients.split(/[ ,]+/)) {
        const outcome = await runKit(client, server.grpc, server.namesrv, round);
        passed += outcome.passed;
        failed += outcome.failed;
        const cells = [String(outcome.passed), String(outcome.failed), outcome.seconds.toFixed(0)];
        console.log(
          `${String(round).padEnd(6)}${client.padEnd(9)}${cells.map((cell, i) => cell.padStart([6, 7, 8][i] ?? 8)).join('')}`,
        );
        for (const failure of outcome.failures) console.log(`      ${failure}`);
      }
    }
    for (const { child, log } of server.processes) {
      if (child.exitCode === null && child.signalCode === null) continue;
      failed += 1;
      const how = child.signalCode ?? `exit code ${child.exitCode}`;
      console.log(`FAIL a server process ended on its own (${how}):\n${log().slice(-3000)}`);
    }
    if (failed > 0) for (const { log } of server.processes) console.log(log().slice(-1500));
  } finally {
    await server.stop();
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
