/**
 * A message as one JSON line: what `rmq tail --output json`, `rmq message` and `rmq export messages` write is
 * what `rmq send --json` and `rmq import` take. By hand, `{"body":"x"}` is enough.
 */
import { senderPropertiesOf } from '../../client/message-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import { PropertyName } from '../../protocol/message/property-names.ts';
import { parseDuration } from '../../util/values.ts';

export interface MessageLine {
  /** Where it belongs, when the line says so. */
  readonly topic: string | undefined;
  readonly body: Buffer;
  /** As they are sent: tag, keys, message group, delivery time and priority among them. */
  readonly properties: Map<string, string>;
  readonly messageGroup: string | undefined;
  /** When its first producer made it, Unix ms. */
  readonly bornTimestampMs: number | undefined;
}

/**
 * Fields: `body` (text, or any JSON), `bodyEncoding` ("base64"), `topic`, `tag`, `key` or `keys`, `messageGroup`,
 * `deliverAt` (ISO 8601) or `delay` ("10s"), `priority`, `properties`, `bornTime`; others are left alone.
 * @throws RmqError USAGE naming `where`, the place of the line.
 */
export function parseMessageLine(text: string, where: string, nowMs: number): MessageLine {
  return messageOf(parseLine(text, where), where, nowMs);
}

/** @throws RmqError USAGE when the line is no JSON object. */
export function parseLine(text: string, where: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw wrong(where, `no JSON: ${reason}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong(where, 'a JSON object is expected');
  }
  return value as Readonly<Record<string, unknown>>; // an object, by the line above
}

export function messageOf(
  json: Readonly<Record<string, unknown>>,
  where: string,
  nowMs: number,
): MessageLine {
  const properties = propertiesOf(json, where);
  const put = (name: string, value: string | undefined): void => {
    if (value !== undefined && value !== '') properties.set(name, value);
  };
  const messageGroup = textOf(json, 'messageGroup', where);
  put(PropertyName.tags, textOf(json, 'tag', where));
  put(PropertyName.keys, keysOf(json, where));
  put(PropertyName.messageGroup, messageGroup);
  const deliverAtMs = deliveryOf(json, where, nowMs);
  put(PropertyName.timerDeliverMs, deliverAtMs === undefined ? undefined : String(deliverAtMs));
  const { priority } = json;
  if (priority !== undefined && !(Number.isInteger(priority) && Number(priority) >= 0)) {
    throw wrong(where, `"priority" is ${JSON.stringify(priority)}: a number from 0 on`);
  }
  put(PropertyName.priority, priority === undefined ? undefined : String(priority));
  const bornTime = textOf(json, 'bornTime', where);
  return {
    topic: textOf(json, 'topic', where),
    body: bodyOf(json, where),
    properties,
    messageGroup: messageGroup ?? properties.get(PropertyName.messageGroup),
    bornTimestampMs: bornTime === undefined ? undefined : timeOf(bornTime, 'bornTime', where),
  };
}

function wrong(where: string, what: string): RmqError {
  return new RmqError('USAGE', `${where}: ${what}`);
}

function bodyOf({ body, bodyEncoding }: Readonly<Record<string, unknown>>, where: string): Buffer {
  if (body === undefined) throw wrong(where, 'there is no "body"');
  if (typeof body !== 'string') return Buffer.from(JSON.stringify(body));
  return Buffer.from(body, bodyEncoding === 'base64' ? 'base64' : 'utf8');
}

function propertiesOf(json: Readonly<Record<string, unknown>>, where: string): Map<string, string> {
  const { properties } = json;
  if (properties === undefined) return new Map();
  if (typeof properties !== 'object' || properties === null) {
    throw wrong(where, '"properties" is no object');
  }
  const all = new Map(Object.entries(properties).map(([name, value]) => [name, String(value)]));
  for (const [name, value] of all) {
    if (/[\u0001\u0002]/.test(name + value))
      throw wrong(where, `property ${name} has control bytes`);
  }
  return senderPropertiesOf(all);
}

function keysOf(json: Readonly<Record<string, unknown>>, where: string): string | undefined {
  const { keys } = json;
  if (keys === undefined) return textOf(json, 'key', where);
  return Array.isArray(keys) ? keys.map(String).join(' ') : textOf(json, 'keys', where);
}

function textOf(
  json: Readonly<Record<string, unknown>>,
  name: string,
  where: string,
): string | undefined {
  const value = json[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  throw wrong(where, `"${name}" is ${JSON.stringify(value)}: a text is expected`);
}

function deliveryOf(
  json: Readonly<Record<string, unknown>>,
  where: string,
  nowMs: number,
): number | undefined {
  const deliverAt = textOf(json, 'deliverAt', where);
  if (deliverAt !== undefined) return timeOf(deliverAt, 'deliverAt', where);
  const delay = textOf(json, 'delay', where);
  if (delay === undefined) return undefined;
  const delayMs = parseDuration(delay);
  if (delayMs === undefined) throw wrong(where, `"delay" is "${delay}": such as 10s`);
  return nowMs + Math.round(delayMs);
}

function timeOf(text: string, name: string, where: string): number {
  const timeMs = Date.parse(text);
  if (!Number.isNaN(timeMs)) return timeMs;
  throw wrong(where, `"${name}" is "${text}": such as 2026-01-31T12:00:00Z`);
}
