/** Bodies with a `name=value` a line: configurations of brokers and NameServers (25, 26, 318, 319). */
import { RmqError } from '../../errors.ts';

/** Blank lines and comments are skipped. @throws RmqError BAD_REQUEST on a line without `=`. */
export function parsePropertyLines(body: Uint8Array): [name: string, value: string][] {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  const pairs: [string, string][] = [];
  for (const line of text.split(/\r?\n/)) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const equals = trimmed.indexOf('=');
    if (equals <= 0) {
      throw new RmqError('BAD_REQUEST', `no name=value: ${JSON.stringify(trimmed.slice(0, 80))}`);
    }
    pairs.push([trimmed.slice(0, equals).trim(), trimmed.slice(equals + 1).trim()]);
  }
  return pairs;
}
