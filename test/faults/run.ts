/**
 * `npm run faults -- [--seed N] [--only TEXT]`: the real process on a real file system that
 * fills up. Needs Linux and the right to mount; where it is missing that is said and skipped. Exit code 1 when a
 * promise was broken.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type FullDiskCase, fillDisk } from './disk-full.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string', default: '' },
    /** Used by the test itself: already inside the mount, in this folder. */
    inside: { type: 'string' },
  },
});
const out = (text: string): void => void process.stdout.write(`${text}\n`);
const self = fileURLToPath(import.meta.url);

const fullDiskCases: readonly FullDiskCase[] = [
  { flush: 'sync', minFree: '0', whileFull: 'none' },
  { flush: 'async', minFree: '0', whileFull: 'kill' },
  { flush: 'sync', minFree: '0', whileFull: 'stop' },
  { flush: 'async', minFree: '16MiB', whileFull: 'none' },
];

/** How a file system of limited size is mounted on `$1`; `$0` is a file for its image. */
const mounts = {
  tmpfs: 'mount -t tmpfs -o size=160m tmpfs "$1"',
  ext4: 'truncate -s 160M "$0" && mkfs.ext4 -q -F "$0" && mount -o loop "$0" "$1"',
} as const;

function nameOf({ flush, minFree, whileFull }: FullDiskCase, fileSystem: string): string {
  return `disk full, ${fileSystem}, flush ${flush}, min-free ${minFree}, while full: ${whileFull}`;
}

const isWanted = (what: string): boolean => what.includes(values.only);

async function inside(folder: string, name: string): Promise<void> {
  for (const [index, one] of fullDiskCases.entries()) {
    const what = nameOf(one, name);
    if (!isWanted(what)) continue;
    const text = await fillDisk(folder, one, `${values.seed}-${index}`);
    out(`${what}: ${text}`);
  }
}

/** In a mount namespace of its own, which ends with the process. */
function mounted(name: keyof typeof mounts): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'rmq-faults-'));
  const root = join(folder, 'root');
  mkdirSync(root);
  try {
    const isAllowed = (script: string): boolean =>
      spawnSync('unshare', ['-m', 'sh', '-c', script, join(folder, 'image'), root]).status === 0;
    if (!isAllowed(mounts[name])) {
      out(`disk full, ${name}: skipped, such a file system cannot be mounted here`);
      return true;
    }
    const script = `${mounts[name]} && shift && exec "$@"`;
    const again = [process.execPath, self, '--inside', `${name}:${root}`];
    const more = ['--seed', values.seed, '--only', values.only];
    const args = ['-m', 'sh', '-c', script, join(folder, 'image'), root, ...again, ...more];
    return spawnSync('unshare', args, { stdio: 'inherit' }).status === 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  if (values.inside !== undefined) {
    const [name = '', folder = ''] = values.inside.split(':');
    return await inside(folder, name);
  }
  out(`seed ${values.seed}`);
  const wanted = (Object.keys(mounts) as (keyof typeof mounts)[]).filter((name) =>
    fullDiskCases.some((one) => isWanted(nameOf(one, name))),
  );
  if (wanted.length === 0) throw new Error(`there is no case with ${values.only}`);
  for (const name of wanted) {
    if (!mounted(name)) process.exitCode = 1;
  }
}

await main().catch((error: unknown) => {
  out(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
});
