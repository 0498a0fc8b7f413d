/**
 * Drives our server with the official clients of other languages: the kits of `../shared/interop`.
 *
 *   npm run interop -- [--three] [--clients "node go"] [--repeat 3] [--only PATTERN] [--jobs N]
 *                      [--quick] [--header json|rocketmq] [--proxy-remoting] [--again] [--log DIR]
 *
 * Starts the server on free ports (in three processes with --three), runs each kit with the filter
 * of what this version promises, prints a table, and ends with `N passed, N failed`. `--quick`
 * leaves out what mostly waits, `--header` says how the headers of Remoting are written, and
 * `--proxy-remoting` sends 4.x clients through the proxy. With `--again` a scenario counts as failed when it has failed twice,
 * the second time by itself; both are printed. The exit code is 1 when something failed.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startDeployment } from '../support/processes.ts';
import { haveKits, type KitRun, runKit, runKitTwice } from './kits.ts';

const { values: flags } = parseArgs({
  options: {
    three: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    clients: { type: 'string', default: 'node python go rust java' },
    repeat: { type: 'string', default: '1' },
    only: { type: 'string' },
    jobs: { type: 'string', default: '4' },
    header: { type: 'string' },
    'proxy-remoting': { type: 'boolean', default: false },
    again: { type: 'boolean', default: false },
    log: { type: 'string' },
    grpc: { type: 'string' },
    namesrv: { type: 'string' },
  },
});

const header = flags.header === 'json' || flags.header === 'rocketmq' ? flags.header : undefined;

async function main(): Promise<number> {
  if (!haveKits()) {
    console.log('skipped: the interop kits (../shared/interop) are not here');
    console.log('0 passed, 0 failed');
    return 0;
  }
  const { grpc, namesrv } = flags;
  const existing = grpc !== undefined && namesrv !== undefined;
  const server = existing
    ? { grpc, namesrv, proxyRemoting: undefined, processes: [], stop: async () => {} }
    : await startDeployment(flags.three ? 'three' : 'one');
  let passed = 0;
  let failed = 0;
  try {
    const where = existing ? 'a running server' : flags.three ? 'three processes' : 'one process';
    console.log(`${where}: gRPC ${server.grpc}, NameServer ${server.namesrv}`);
    console.log('round client   passed failed seconds');
    for (let round = 1; round <= Number(flags.repeat); round += 1) {
      for (const client of flags.clients.split(/[ ,]+/)) {
        const run: KitRun = {
          grpc: server.grpc,
          namesrv: server.namesrv,
          remoting: flags['proxy-remoting'] ? server.proxyRemoting : undefined,
          header,
          quick: flags.quick,
          only: flags.only,
          jobs: Number(flags.jobs),
          logFile: flags.log === undefined ? undefined : join(flags.log, `${client}-${round}.log`),
        };
        const outcome = flags.again
          ? await runKitTwice(client, run)
          : { ...(await runKit(client, run)), firstFailures: [] };
        passed += outcome.passed;
        failed += outcome.failed;
        const cells = [String(outcome.passed), String(outcome.failed), outcome.seconds.toFixed(0)];
        console.log(
          `${String(round).padEnd(6)}${client.padEnd(9)}${cells.map((cell, i) => cell.padStart([6, 7, 8][i] ?? 8)).join('')}`,
        );
        for (const { scenario, reason } of outcome.firstFailures) {
          console.log(`      failed at first: ${scenario}: ${reason}`);
        }
        for (const { scenario, reason } of outcome.failures) {
          console.log(`      FAIL ${scenario}: ${reason}`);
        }
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
