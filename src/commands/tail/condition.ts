/**
 * What a message has to be. A filter is a line of terms, all of which have to hold; the same line in
 * `--filter` and in the viewer:
 *
 *   tag:paid||new   key:order-17   topic:orders-*   queue:3   broker:broker-a   id:7F00…
 *   region=eu            a property; `region=*`: it is there
 *   $.user.id == 7       JSON (json-condition.ts); several in parentheses: ($.a == 1 || $.b == 2)
 *   sql:"price > 10"     SQL92 over properties
 *   /time ?out/i         the body, by a regular expression
 *   refused  "two words" the body has that text; lower case finds both cases
 *   !term                not
 */
import { RmqError } from '../../protocol/errors.ts';
import { compileFilter } from '../../protocol/filter/message-filter.ts';
import type { TailEntry } from './entry.ts';
import { parseJsonCondition, parseJsonTerm, parseRegex } from './json-condition.ts';

export type Condition = (entry: TailEntry) => boolean;

const lengthMax = 4_096;
const termCountMax = 100;

/**
 * The line as one condition; undefined when it is empty.
 * @throws RmqError ILLEGAL_FILTER
 */
export function parseCondition(line: string): Condition | undefined {
  if (line.length > lengthMax) {
    throw new RmqError('ILLEGAL_FILTER', `the filter has over ${lengthMax} characters`);
  }
  const terms: Condition[] = [];
  for (let at = skipSpace(line, 0); at < line.length; at = skipSpace(line, at)) {
    const term = parseTerm(line, at);
    terms.push(term.condition);
    at = term.end;
    if (terms.length > termCountMax) throw new RmqError('ILLEGAL_FILTER', 'too many terms');
  }
  return allOf(terms);
}

/** All of them; undefined when there are none. */
export function allOf(conditions: readonly Condition[]): Condition | undefined {
  const [first] = conditions;
  if (conditions.length <= 1) return first;
  return (entry) => conditions.every((condition) => condition(entry));
}

interface Term {
  readonly condition: Condition;
  /** Behind it. */
  readonly end: number;
}

function parseTerm(line: string, at: number): Term {
  if (line[at] === '!') {
    const { condition, end } = parseTerm(line, at + 1);
    return { condition: (entry) => !condition(entry), end };
  }
  if (line[at] === '$' || line[at] === '(') {
    const { condition, end } = parseJsonTerm(line, at);
    return { condition: (entry) => condition(entry.json()), end };
  }
  if (line[at] === '/') {
    const source = /\/(?:\\.|[^\\/])+\/[a-z]*/y;
    source.lastIndex = at;
    const found = source.exec(line)?.[0];
    if (found !== undefined) return { condition: bodyMatches(found), end: at + found.length };
  }
  const name = /[\p{L}\p{N}_.|#-]+(?=[:=])/uy;
  name.lastIndex = at;
  const left = name.exec(line)?.[0];
  if (left !== undefined) {
    const value = wordAt(line, at + left.length + 1);
    const isProperty = line[at + left.length] === '=';
    const condition = isProperty ? propertyIs(left, value.text) : field(left, value.text);
    if (condition !== undefined) return { condition, end: value.end };
  }
  const word = wordAt(line, at);
  return { condition: bodyHas(word.text), end: word.end };
}

/** A word, or what stands in quotes. */
function wordAt(line: string, at: number): { readonly text: string; readonly end: number } {
  const quote = line[at];
  if (quote === '"' || quote === "'") {
    const close = line.indexOf(quote, at + 1);
    const end = close < 0 ? line.length : close;
    return { text: line.slice(at + 1, end), end: end + 1 };
  }
  const space = line.indexOf(' ', at);
  const end = space < 0 ? line.length : space;
  return { text: line.slice(at, end), end };
}

function skipSpace(line: string, from: number): number {
  let at = from;
  while (line[at] === ' ') at++;
  return at;
}

/** undefined: there is no such field, so it is text with a colon. */
function field(name: string, value: string): Condition | undefined {
  switch (name) {
    case 'tag':
      return tagIs(value);
    case 'key':
      return keyIs(value);
    case 'topic': {
      const pattern = globPattern(value);
      return (entry) => pattern.test(entry.topic);
    }
    case 'queue':
      return (entry) => entry.message.queueId === Number(value);
    case 'broker':
      return (entry) => entry.brokerName === value;
    case 'id':
      return (entry) => entry.messageId === value;
    case 'sql':
      return sqlHolds(value);
    case 'json':
      return jsonHolds(value);
    default:
      return undefined;
  }
}

/** Tags joined by `||`. */
export function tagIs(expression: string): Condition {
  const filter = compileFilter({ type: 'TAG', expression });
  return (entry) => filter.matches(entry.message.properties);
}

export function keyIs(key: string): Condition {
  return (entry) => entry.keys.includes(key);
}

/** @throws RmqError ILLEGAL_FILTER */
export function sqlHolds(expression: string): Condition {
  const filter = compileFilter({ type: 'SQL92', expression });
  return (entry) => filter.matches(entry.message.properties);
}

/** @throws RmqError ILLEGAL_FILTER */
export function jsonHolds(expression: string): Condition {
  const condition = parseJsonCondition(expression);
  return (entry) => condition(entry.json());
}

/** A property with that value; `*`: with any. */
export function propertyIs(name: string, value: string): Condition {
  if (value === '*') return (entry) => entry.property(name) !== undefined;
  return (entry) => entry.property(name) === value;
}

/** Text, or a regular expression between slashes. @throws RmqError ILLEGAL_FILTER */
export function bodyIs(text: string): Condition {
  return /^\/.+\/[a-z]*$/.test(text) ? bodyMatches(text) : bodyHas(text);
}

function bodyMatches(source: string): Condition {
  const pattern = parseRegex(source);
  return (entry) => pattern.test(entry.text() ?? '');
}

function bodyHas(text: string): Condition {
  const isExact = text !== text.toLowerCase();
  const wanted = isExact ? text : text.toLowerCase();
  return (entry) => {
    const body = entry.text() ?? '';
    return (isExact ? body : body.toLowerCase()).includes(wanted);
  };
}

/** `orders-*` as a pattern for whole names: `*` any characters, `?` one. */
export function globPattern(glob: string): RegExp {
  const source = glob.replace(/[.*+?^${}()|[\]\\]/g, (character) => {
    if (character === '*') return '.*';
    return character === '?' ? '.' : `\\${character}`;
  });
  return new RegExp(`^${source}$`, 's');
}
