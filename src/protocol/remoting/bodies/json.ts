/** JSON bodies as values; what is no JSON is BAD_REQUEST. */
import { RmqError } from '../../errors.ts';

export function jsonBody(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value), 'utf8');
}

/** The object in a body; an empty object when there is none. @throws RmqError BAD_REQUEST */
export function parseJsonObject(body: Uint8Array): Record<string, unknown> {
  if (body.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  } catch (error) {
    throw new RmqError('BAD_REQUEST', 'the body is no JSON', { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RmqError('BAD_REQUEST', 'the body is no JSON object');
  }
  return value as Record<string, unknown>; // checked on the line above
}

/** The list under `name`; empty when absent. */
export function listOf(json: Readonly<Record<string, unknown>>, name: string): readonly unknown[] {
  const value = json[name];
  return Array.isArray(value) ? value : [];
}

/** A JSON object's entries, none for anything else. */
export function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}
