/** The command line: `bin/rmq.js` calls `main`. What a command needs is loaded when it is called. */
import { version } from './platform/version.ts';

/** Runs this process's command line and ends the process with its exit code. */
export async function main(): Promise<void> {
  const argv = process.argv.slice(2);
  if (argv[0] === '--version' || argv[0] === '-V') {
    process.stdout.write(`${version}\n`);
    return;
  }
  const [{ runCommandLine }, { processHost }] = await Promise.all([
    import('./commands/shared/runner.ts'),
    import('./platform/node-host.ts'),
  ]);
  process.exit(await runCommandLine(argv, processHost()));
}
