/**
 * JSON as Apache's servers write it: integer keys without quotes, `{0:"a"}` (facts/remoting.md 0.3).
 * Objects as keys are not read here.
 */
import { RmqError } from '../errors.ts';

/** @throws RmqError BAD_REQUEST when the text is no JSON even so. */
export function parseLenientJson(body: Uint8Array): unknown {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    // Second try below; strict text is by far the more frequent.
  }
  try {
    return JSON.parse(quoteKeys(text));
  } catch (cause) {
    throw new RmqError('BAD_REQUEST', 'the body is no JSON', { cause });
  }
}

/** Puts bare integer keys into quotes; strings are passed over. */
function quoteKeys(text: string): string {
  return text.replace(
    /"(?:[^"\\]|\\.)*"|([{,]\s*)(-?\d+)(\s*:)/g,
    (all, before: string | undefined, key: string | undefined, after: string | undefined) =>
      before === undefined ? all : `${before}"${key ?? ''}"${after ?? ''}`,
  );
}
