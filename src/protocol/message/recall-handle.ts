/**
 * What a producer recalls a delayed message by: URL-safe Base64 with padding of
 * `v1 <topic> <brokerName> <deliverMs> <uniqueKey>`; facts/remoting.md §4.4, seen on the wire.
 */

export interface RecallHandle {
  readonly topic: string;
  readonly brokerName: string;
  /** Epoch ms. Ours: the exact time; Apache's: 1 ms behind the second before it. */
  readonly deliverMs: number;
  readonly uniqueKey: string;
}

const version = 'v1';
/** Above what names and keys of their greatest length make. */
const textSizeMax = 4_096;

export function encodeRecallHandle(handle: RecallHandle): string {
  const { topic, brokerName, deliverMs, uniqueKey } = handle;
  const bytes = Buffer.from([version, topic, brokerName, deliverMs, uniqueKey].join(' '));
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

/** Undefined when it is none. */
export function decodeRecallHandle(text: string): RecallHandle | undefined {
  if (text.length > textSizeMax || !/^[\w-]+={0,2}$/.test(text)) return undefined;
  const words = Buffer.from(text, 'base64url').toString('utf8').split(' ');
  const [first, topic, brokerName, time, ...rest] = words;
  const uniqueKey = rest.join(' ');
  if (first !== version || !topic || !brokerName || uniqueKey === '') return undefined;
  if (time === undefined || !/^\d{1,15}$/.test(time)) return undefined;
  return { topic, brokerName, deliverMs: Number(time), uniqueKey };
}
