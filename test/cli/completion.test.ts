/** Completion scripts, run by the shells themselves. */
import { execFileSync, spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { rmq } from '../support/cli.ts';

const hasFish = spawnSync('fish', ['--version']).status === 0;

/** What bash offers for a command line that ends at the cursor. */
async function bashOffers(line: string): Promise<string[]> {
  const { stdout } = await rmq(['completion', 'bash']);
  const words = line.split(' ');
  const script = `${stdout}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})
COMP_CWORD=${words.length - 1}
_rmq
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const offered = execFileSync('bash', ['--norc', '-c', script], { encoding: 'utf8' });
  return offered.split('\n').filter((word) => word !== '');
}

test('bash: commands, commands of a noun, flags', async () => {
  expect(await bashOffers('rmq to')).toEqual(['topic']);
  expect(await bashOffers('rmq group de')).toEqual(['describe', 'delete']);
  expect(await bashOffers('rmq offset reset g t --t')).toEqual(['--to', '--timeout']);
  expect(await bashOffers('rmq tail orders --fr')).toEqual(['--from']);
});

test.skipIf(!hasFish)('fish: takes the script', async () => {
  const { stdout } = await rmq(['completion', 'fish']);
  execFileSync('fish', ['--no-config', '-c', stdout]);
});

test('an unknown shell is refused with what there is', async () => {
  const { code, stderr } = await rmq(['completion', 'tcsh']);
  expect(code).toBe(2);
  expect(stderr).toContain('bash, zsh, fish');
});
