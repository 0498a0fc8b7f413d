/**
 * How delivery state is stored. Under `delivery/<group>/<topic>/<queue id>` a header; under that and
 * `/<block, 12 hex digits>` the messages in flight and held back of 64 offsets. A block that has none is
 * not there. All integers big-endian.
 *
 *   header   0  int64 committed    8  int64 next
 *   message  0  uint8 offset within the block   1  uint8 flags: 1 delivered, 2 has a message group
 *            delivered:  uint32 attempt, int64 delivered at, int64 visible at (Unix milliseconds)
 *            group:      uint16 length, then its name in UTF-8
 *            (not delivered: int64 visible at, 0 as a rule)
 */
import { getInt32, getInt64, putInt32, putInt64 } from '../../../protocol/message/bytes.ts';
import { assert } from '../../../util/assert.ts';
import { hex } from '../../store/index/queue.ts';
import { type QueueState, stateBlockOffsets } from './queue-state.ts';

export const statePrefix = 'delivery/';
const isDelivered = 1;
const hasGroup = 2;

export function stateKey(state: QueueState): string {
  return `${statePrefix}${state.group}/${state.topic}/${state.queueId}`;
}

export function blockKey(state: QueueState, block: number): string {
  return `${stateKey(state)}/${hex(block, 12)}`;
}

/** The parts of a key; `block` undefined: the header's. Undefined: no such key. */
export function parseStateKey(key: string):
  | {
      readonly group: string;
      readonly topic: string;
      readonly queueId: number;
      readonly block: number | undefined;
    }
  | undefined {
  const [group, topic, queueId, block] = key.slice(statePrefix.length).split('/');
  if (group === undefined || topic === undefined || queueId === undefined) return undefined;
  const number = block === undefined ? undefined : Number.parseInt(block, 16);
  return { group, topic, queueId: Number(queueId), block: number };
}

export function encodeHeader(state: QueueState): Buffer {
  const out = Buffer.alloc(16);
  putInt64(out, putInt64(out, 0, state.committed), state.next);
  return out;
}

export function decodeHeader(state: QueueState, value: Uint8Array): void {
  assert(value.length === 16, 'a header of delivery state has 16 bytes');
  state.committed = getInt64(value, 0);
  state.next = getInt64(value, 8);
}

/** The block's bytes, or undefined when none of its messages is in flight or held back. */
export function encodeBlock(state: QueueState, block: number): Buffer | undefined {
  const open = state.openOf(block);
  if (open.length === 0) return undefined;
  let size = 0;
  for (const { attempt, messageGroup } of open) {
    size += attempt > 0 ? 22 : 10;
    if (messageGroup !== undefined) size += 2 + Buffer.byteLength(messageGroup.name);
  }
  const out = Buffer.alloc(size);
  let at = 0;
  for (const one of open) {
    const group = one.messageGroup;
    out[at++] = one.offset - block * stateBlockOffsets;
    out[at++] = (one.attempt > 0 ? isDelivered : 0) | (group === undefined ? 0 : hasGroup);
    if (one.attempt > 0) {
      at = putInt32(out, at, one.attempt);
      at = putInt64(out, at, one.deliveredAtMs);
    }
    at = putInt64(out, at, one.visibleAtMs);
    if (group === undefined) continue;
    const length = out.write(group.name, at + 2, 'utf8');
    out.writeUInt16BE(length, at);
    at += 2 + length;
  }
  assert(at === size, 'a block of delivery state is as long as was computed');
  return out;
}

/** Restores the messages of a block; blocks come in rising order. */
export function decodeBlock(state: QueueState, block: number, value: Uint8Array): void {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  let at = 0;
  while (at < bytes.length) {
    const offset = block * stateBlockOffsets + bytes.readUInt8(at);
    const flags = bytes.readUInt8(at + 1);
    at += 2;
    let attempt = 0;
    let deliveredAtMs = 0;
    if ((flags & isDelivered) !== 0) {
      attempt = getInt32(bytes, at);
      deliveredAtMs = getInt64(bytes, at + 4);
      at += 12;
    }
    const visibleAtMs = getInt64(bytes, at);
    at += 8;
    let groupName: string | undefined;
    if ((flags & hasGroup) !== 0) {
      const length = bytes.readUInt16BE(at);
      groupName = bytes.toString('utf8', at + 2, at + 2 + length);
      at += 2 + length;
    }
    state.restore({ offset, attempt, deliveredAtMs, visibleAtMs, groupName });
  }
}
