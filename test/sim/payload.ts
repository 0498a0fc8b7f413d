/**
 * The messages of a run. A body tells its number and is computed from it, so that whoever reads it
 * back can say which message it is and whether a single bit is wrong.
 */

import type { MessageDraft } from '../../src/protocol/message/message.ts';
import { assert } from '../../src/util/assert.ts';
import { plainDraft } from '../support/plain-draft.ts';
import { epochMs } from './clock.ts';
import type { SimRandom } from './random.ts';

const localHost = { address: Buffer.from([127, 0, 0, 1]), port: 40_000 };

/**
 * Bytes of which bodies are cut, never zero: a lost sector shows. Its size is prime, so a body that goes
 * round repeats at no sector, and bodies of different numbers begin at different places.
 */
const pattern = makePattern(65_521);
const headBytes = 8;

function makePattern(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let word = 0x9e3779b1;
  for (let at = 0; at < size; at += 1) {
    word = Math.imul(word, 0x01000193) + 0x6d2b;
    bytes[at] = (word >>> 16) | 1;
  }
  return bytes;
}

function patternBegin(number: number): number {
  return (number * 40_503) % pattern.length;
}

/** A body of `sizeBytes` (at least 8) for the message of that number. */
export function makeBody(number: number, sizeBytes: number): Buffer {
  assert(sizeBytes >= headBytes, 'a body holds its number and its size');
  const body = Buffer.allocUnsafe(sizeBytes);
  body.writeUInt32BE(number, 0);
  body.writeUInt32BE(sizeBytes, 4);
  let from = patternBegin(number);
  for (let at = headBytes; at < sizeBytes; from = 0) at += pattern.copy(body, at, from);
  return body;
}

/** The number of the message that has this body, or why there is none. */
export function readBody(body: Uint8Array): number | string {
  const view = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (view.length < headBytes) return `a body of ${view.length} bytes`;
  const number = view.readUInt32BE(0);
  if (view.readUInt32BE(4) !== view.length) {
    return `message ${number}: ${view.length} bytes instead of ${view.readUInt32BE(4)}`;
  }
  let from = patternBegin(number);
  for (let at = headBytes; at < view.length; from = 0) {
    const size = Math.min(view.length - at, pattern.length - from);
    if (pattern.compare(view, at, at + size, from, from + size) !== 0) {
      return `message ${number}: wrong bytes`;
    }
    at += size;
  }
  return number;
}

/** Mostly small; sometimes over a sector, over a page, now and then very large. */
export function drawBodySize(random: SimRandom, largestBytes: number): number {
  const roll = random.fraction();
  if (roll < 0.6) return random.between(8, 200);
  if (roll < 0.85) return random.between(200, 2_000);
  if (roll < 0.98) return random.between(2_000, Math.min(20_000, largestBytes));
  return random.between(8, largestBytes);
}

/** Properties as the wire has them: name 0x01 value 0x02. */
export function makeProperties(fields: Readonly<Record<string, string>>): Buffer {
  let text = '';
  for (const [name, value] of Object.entries(fields)) text += `${name}\u0001${value}\u0002`;
  return Buffer.from(text);
}

export function makeDraft(options: {
  readonly topic: string;
  readonly queueId: number;
  readonly number: number;
  readonly bodySizeBytes: number;
  readonly properties: Readonly<Record<string, string>>;
}): MessageDraft {
  return plainDraft({
    topic: options.topic,
    queueId: options.queueId,
    bornTimestampMs: epochMs,
    bornHost: localHost,
    body: makeBody(options.number, options.bodySizeBytes),
    properties: makeProperties(options.properties),
  });
}
