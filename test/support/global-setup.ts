/**
 * Once before all tests: makes what a fresh clone does not have and what is older than its source,
 * so that tests of the command line run the code that is there. Both scripts skip what is current.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** vitest calls it before the first test file. */
export function setup(): void {
  try {
    execFileSync(process.execPath, ['scripts/build.mjs', '--no-types'], {
      cwd: root,
      stdio: 'pipe',
    });
  } catch (error) {
    // In the middle of a change the tests of single parts still run; a clean checkout must build.
    if (process.env['CI'] !== undefined) throw error;
    const { stderr } = error as { stderr?: Buffer };
    process.stderr.write(`dist is not current, the build failed:\n${stderr?.toString('utf8')}\n`);
  }
}
