/**
 * The certificate of the gRPC port: the one from the settings, else a self-signed one that is made when
 * the first client asks for TLS and kept in the data folder, so that it stays the same.
 */
import type { Clock } from '../../../platform/clock.ts';
import type { Files } from '../../../platform/files.ts';
import type { Random } from '../../../platform/random.ts';
import { RmqError } from '../../../protocol/errors.ts';
import { type CertificatePair, makeSelfSigned } from './self-signed.ts';

export interface CertificateOptions {
  readonly files: Files | undefined;
  /** Undefined: nothing is kept. */
  readonly dataDir: string | undefined;
  readonly configured: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

/** @throws RmqError ILLEGAL_CONFIG when a configured file cannot be read. */
export async function loadCertificate(options: CertificateOptions): Promise<CertificatePair> {
  const { files, configured, dataDir, clock, random } = options;
  if (configured !== undefined) {
    const key = await readConfigured(files, configured.keyFile);
    return { key, cert: await readConfigured(files, configured.certFile) };
  }
  if (files === undefined || dataDir === undefined) {
    return makeSelfSigned({ nowMs: clock.nowMs(), random });
  }
  const folder = `${dataDir}/tls`;
  // One file for both: a key never stays behind without its certificate.
  const file = `${folder}/self-signed.pem`;
  const kept = await readIfThere(files, file);
  if (kept !== undefined) return { key: kept, cert: kept };
  const made = makeSelfSigned({ nowMs: clock.nowMs(), random });
  await files.makeFolder(folder);
  await files.replaceFile(file, Buffer.concat([made.key, made.cert]));
  return made;
}

async function readConfigured(files: Files | undefined, file: string): Promise<Buffer> {
  try {
    if (files !== undefined) return await files.readFile(file);
  } catch (error) {
    throw new RmqError('ILLEGAL_CONFIG', `cannot read the TLS file ${file}`, { cause: error });
  }
  throw new RmqError('ILLEGAL_CONFIG', `TLS file ${file} is set, but there is no file system`);
}

async function readIfThere(files: Files, file: string): Promise<Buffer | undefined> {
  try {
    return await files.readFile(file);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
    throw error;
  }
}
