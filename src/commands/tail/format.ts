/** `--format`: what is printed of each message, chosen by letters. */
import { RmqError } from '../../protocol/errors.ts';
import { isoTime } from '../shared/times.ts';
import type { TailEntry } from './entry.ts';

/** Letters behind `%`; the table is in the help and in docs/how-to/follow-messages.md. */
const letters: Readonly<Record<string, (entry: TailEntry) => string | number | undefined>> = {
  t: (entry) => entry.topic,
  B: (entry) => entry.brokerName,
  q: (entry) => entry.message.queueId,
  o: (entry) => entry.message.queueOffset,
  T: (entry) => entry.tag,
  k: (entry) => entry.keys.join(' '),
  i: (entry) => entry.messageId,
  g: (entry) => entry.property('__SHARDINGKEY'),
  r: (entry) => entry.message.reconsumeTimes,
  s: (entry) => entry.body().length,
  S: (entry) => isoTime(entry.message.storeTimestampMs),
  C: (entry) => isoTime(entry.message.bornTimestampMs),
  p: (entry) => [...entry.properties()].map(([name, value]) => `${name}=${value}`).join(' '),
  b: (entry) => entry.text() ?? Buffer.from(entry.body()).toString('base64'),
};

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '0': '\0',
  '\\': '\\',
};

/**
 * Compiles `%t %k %b`: the text of one message. A line end is added unless the format ends with its own
 * (`\n`, `\0`).
 * @throws RmqError USAGE
 */
export function compileFormat(format: string): (entry: TailEntry) => string {
  const parts: (string | ((entry: TailEntry) => string | number | undefined))[] = [];
  for (let at = 0; at < format.length; at++) {
    const character = format[at] as string; // at < length
    if (character === '\\') parts.push(escapeAt(format, ++at));
    else if (character !== '%') parts.push(character);
    else if (format[at + 1] === '{') {
      const end = format.indexOf('}', at);
      if (end < 0) throw illegal(format, 'a property needs %{NAME}');
      const name = format.slice(at + 2, end);
      parts.push((entry) => entry.property(name));
      at = end;
    } else parts.push(letterAt(format, ++at));
  }
  const last = parts.at(-1);
  if (last !== '\n' && last !== '\0') parts.push('\n');
  return (entry) =>
    parts.map((part) => (typeof part === 'string' ? part : String(part(entry) ?? ''))).join('');
}

function letterAt(
  format: string,
  at: number,
): string | ((entry: TailEntry) => string | number | undefined) {
  const letter = format[at] ?? '';
  if (letter === '%') return '%';
  const value = letters[letter];
  if (value === undefined) throw illegal(format, `there is no %${letter}`);
  return value;
}

function escapeAt(format: string, at: number): string {
  const escape = escapes[format[at] ?? ''];
  if (escape === undefined) throw illegal(format, `there is no \\${format[at] ?? ''}`);
  return escape;
}

function illegal(format: string, problem: string): RmqError {
  return new RmqError('USAGE', `--format: "${format}" is not allowed: ${problem}`, {
    hint: `letters: ${Object.keys(letters).join(' ')}, %{PROPERTY}; \\n \\t \\0`,
  });
}
