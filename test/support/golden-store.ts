/** Store directories that Apache RocketMQ 5.4.0 wrote (`../shared/golden/store`), unpacked, with their manifests. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

const folder = new URL('../../../shared/golden/store', import.meta.url).pathname;

export const haveGoldenStores: boolean = existsSync(folder);

export type GoldenName = 'clean' | 'crashed' | 'torn' | 'rare';
export const goldenNames: readonly GoldenName[] = ['clean', 'crashed', 'torn', 'rare'];

export interface ManifestMessage {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  /** Messages of light queues: where the record says that it lies. */
  readonly recordTopic?: string;
  readonly recordQueueId?: number;
  readonly sysFlag: number;
  readonly storeSize: number;
  readonly recordSha1: string;
  readonly properties: Readonly<Record<string, string>>;
}

export interface Manifest {
  readonly logEnd: number;
  readonly records: number;
  readonly messages: readonly ManifestMessage[];
  readonly queues: readonly {
    readonly topic: string;
    readonly queueId: number;
    readonly minOffset: number;
    readonly maxOffset: number;
  }[];
  readonly consumerOffsets: Readonly<Record<string, Readonly<Record<string, number>>>> | null;
  readonly delayOffsets: Readonly<Record<string, number>>;
  readonly topics: readonly string[];
  readonly groups: readonly string[];
}

/** A folder that goes when the test ends. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'rmq-store-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export function readManifest(name: GoldenName): Manifest {
  return JSON.parse(readFileSync(join(folder, name, 'manifest.json'), 'utf8')) as Manifest;
}

export function unpackGolden(name: GoldenName): {
  readonly store: string;
  readonly manifest: Manifest;
} {
  const path = temporaryFolder();
  execFileSync('tar', ['xzf', join(folder, name, 'store.tar.gz'), '-C', path]);
  return { store: join(path, 'store'), manifest: readManifest(name) };
}

/** Every file below a folder: name, size, time and content, as one digest. */
export function digestOf(path: string): string {
  const hash = createHash('sha1');
  for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' }).sort()) {
    const found = statSync(join(path, name));
    hash.update(`${name} ${found.size} ${found.mtimeMs}\n`);
    // The wheel is large, nearly all zeros, and nobody reads it.
    if (found.isFile() && found.size < 8 << 20) hash.update(readFileSync(join(path, name)));
  }
  return hash.digest('hex');
}
