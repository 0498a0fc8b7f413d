/**
 * A note that a stopped store leaves in its folder, and the next start takes away: how many batches its database
 * had, and where its log ended. Neither can tell by itself that its newest part is gone.
 *
 * File `stopped`: `{"batchCount":n,"endOffset":n} <CRC-32 of the JSON, 8 hex digits>`.
 */
import { crc32 } from 'node:zlib';
import type { Files } from '../../platform/files.ts';

const fileName = 'stopped';

export interface CleanStop {
  readonly batchCount: number;
  readonly endOffset: number;
}

/** Undefined: none was left. 'damaged': one was, and nobody can read it. */
export async function readCleanStop(
  files: Files,
  folder: string,
): Promise<CleanStop | 'damaged' | undefined> {
  let text: string;
  try {
    text = (await files.readFile(`${folder}/${fileName}`)).toString('latin1');
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
    throw error;
  }
  const [, json = '', checksum] = /^(\{.*\}) ([0-9a-f]{8})$/.exec(text) ?? [];
  if (checksum === undefined || checksumOf(json) !== checksum) return 'damaged';
  return JSON.parse(json) as CleanStop; // written by `writeCleanStop`
}

export async function writeCleanStop(
  files: Files,
  folder: string,
  { batchCount, endOffset }: CleanStop,
): Promise<void> {
  const json = JSON.stringify({ batchCount, endOffset });
  await files.replaceFile(`${folder}/${fileName}`, Buffer.from(`${json} ${checksumOf(json)}`));
}

/** Durably, before anything changes that the note speaks of. */
export async function removeCleanStop(files: Files, folder: string): Promise<void> {
  await files.remove(`${folder}/${fileName}`);
  await files.syncFolder(folder);
}

function checksumOf(json: string): string {
  return crc32(json).toString(16).padStart(8, '0');
}
