/** What `rmq send` sends: one body, a body many times, a message for each line of a file or of stdin. */
import { RmqError } from '../../protocol/errors.ts';
import { PropertyName } from '../../protocol/message/property-names.ts';
import type { Context } from '../shared/context.ts';
import { fileLines } from '../shared/file-lines.ts';
import { parseMessageLine } from '../shared/message-line.ts';

export interface SendOptions {
  readonly topic: string;
  readonly body?: string;
  readonly tag?: string;
  readonly group?: string;
  readonly key: readonly string[] | undefined;
  readonly prop: readonly string[] | undefined;
  readonly delay?: number;
  readonly at?: string;
  readonly priority?: number;
  readonly file?: string;
  readonly lines: boolean;
  readonly json: boolean;
  readonly count: number;
}

export interface Outgoing {
  readonly body: Uint8Array;
  readonly properties: ReadonlyMap<string, string>;
  /** Its messages leave one after the other. */
  readonly messageGroup: string | undefined;
}

/** @throws RmqError USAGE when what was said does not fit together. */
export function checkOptions(options: SendOptions): void {
  const { body, file, lines, json, count, delay, at } = options;
  if (file !== undefined && body !== undefined) {
    throw new RmqError('USAGE', '--file and a body exclude each other');
  }
  if (lines && json) throw new RmqError('USAGE', '--lines and --json exclude each other');
  if ((lines || json) && count !== 1) {
    throw new RmqError('USAGE', '--count is for one body, not for lines');
  }
  if (delay !== undefined && at !== undefined) {
    throw new RmqError('USAGE', '--delay and --at exclude each other');
  }
}

/** What all messages have by flags; fields of JSON lines go before it. */
export function flagProperties(options: SendOptions, nowMs: number): ReadonlyMap<string, string> {
  const properties = new Map<string, string>();
  for (const text of options.prop ?? []) {
    const equals = text.indexOf('=');
    if (equals < 1) throw new RmqError('USAGE', `--prop: "${text}" is not allowed: NAME=VALUE`);
    properties.set(text.slice(0, equals), text.slice(equals + 1));
  }
  const { tag, key, group, priority } = options;
  if (tag !== undefined) properties.set(PropertyName.tags, tag);
  if (key !== undefined) properties.set(PropertyName.keys, key.join(' '));
  if (group !== undefined) properties.set(PropertyName.messageGroup, group);
  if (priority !== undefined) properties.set(PropertyName.priority, String(priority));
  const deliverMs = deliveryTime(options, nowMs);
  if (deliverMs !== undefined) properties.set(PropertyName.timerDeliverMs, String(deliverMs));
  return properties;
}

function deliveryTime({ delay, at }: SendOptions, nowMs: number): number | undefined {
  if (delay !== undefined) return nowMs + Math.round(delay);
  if (at === undefined) return undefined;
  const timeMs = Date.parse(at);
  if (!Number.isNaN(timeMs)) return timeMs;
  throw new RmqError('USAGE', `--at: "${at}" is not allowed: such as 2026-01-31T12:00:00Z`);
}

/** @throws RmqError USAGE naming the line that cannot be read. */
export async function* outgoing(context: Context, options: SendOptions): AsyncGenerator<Outgoing> {
  const { clock } = context;
  const now = (): ReadonlyMap<string, string> => flagProperties(options, clock.nowMs());
  if (options.json) {
    for await (const { text, number } of linesOf(context, options)) {
      if (text.trim() === '') continue;
      const line = parseMessageLine(text, `line ${number}`, clock.nowMs());
      const properties = new Map([...now(), ...line.properties]);
      const messageGroup = line.messageGroup ?? options.group;
      yield { body: line.body, properties, messageGroup };
    }
    return;
  }
  const messageGroup = options.group;
  if (options.lines) {
    for await (const { text } of linesOf(context, options)) {
      if (text !== '') yield { body: Buffer.from(text), properties: now(), messageGroup };
    }
    return;
  }
  const body = await singleBody(context, options);
  for (let sent = 0; sent < options.count; sent++) yield { body, properties: now(), messageGroup };
}

async function* linesOf(
  context: Context,
  { file, body }: SendOptions,
): AsyncGenerator<{ readonly text: string; readonly number: number }> {
  if (body !== undefined && body !== '-') {
    throw new RmqError('USAGE', '--lines and --json take a file or stdin, not a body');
  }
  if (file !== undefined) {
    for await (const { text, number } of fileLines(file)) {
      yield { text: text.replace(/\r$/, ''), number };
    }
    return;
  }
  let number = 0;
  for await (const text of context.stdin.lines()) yield { text, number: ++number };
}

async function singleBody(context: Context, { body, file }: SendOptions): Promise<Uint8Array> {
  if (file !== undefined) return readFile(context, file);
  if (body !== undefined && body !== '-') return Buffer.from(body);
  if (body === undefined && context.stdin.isTerminal) {
    throw new RmqError('USAGE', 'there is no body', { hint: 'give one, or - to type it' });
  }
  return context.stdin.readAll();
}

async function readFile(context: Context, path: string): Promise<Buffer> {
  try {
    return await context.host.readFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RmqError('USAGE', `--file: cannot read ${path}: ${reason}`, { cause: error });
  }
}
