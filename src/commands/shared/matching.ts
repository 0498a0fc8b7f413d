/** Which messages are meant, for commands that go through many: tag, key, SQL92, text of the body. */
import { RmqError } from '../../protocol/errors.ts';
import { compileFilter } from '../../protocol/filter/message-filter.ts';
import type { StoredMessage } from '../../protocol/message/message.ts';
import { plainBody } from '../../protocol/message/plain-body.ts';
import { findProperty } from '../../protocol/message/properties.ts';
import type { Flag } from './command.ts';

export interface MatchOptions {
  readonly tag?: string;
  readonly key?: string;
  readonly filter?: string;
  readonly grep?: string;
}

export const matchFlags: readonly Flag[] = [
  {
    name: 'tag',
    kind: { type: 'text', placeholder: 'TAGS' },
    description: 'only messages of these tags, joined by ||',
  },
  {
    name: 'key',
    kind: { type: 'text', placeholder: 'KEY' },
    description: 'only messages with this key',
  },
  {
    name: 'filter',
    kind: { type: 'text', placeholder: 'SQL92' },
    description: 'only messages whose properties match, such as "region = \'eu\' AND price > 10"',
  },
  {
    name: 'grep',
    kind: { type: 'text', placeholder: 'REGEX' },
    description: 'only messages whose body matches',
  },
];

export type Match = (message: StoredMessage) => boolean;

/** All of what was said; undefined when nothing was. @throws RmqError ILLEGAL_FILTER */
export function matchOf({ tag, key, filter, grep }: MatchOptions): Match | undefined {
  const matches: Match[] = [];
  if (tag !== undefined) {
    const compiled = compileFilter({ type: 'TAG', expression: tag });
    matches.push(({ properties }) => compiled.matches(properties));
  }
  if (key !== undefined) {
    matches.push(({ properties }) =>
      (findProperty(properties, 'KEYS') ?? '').split(' ').includes(key),
    );
  }
  if (filter !== undefined) {
    const compiled = compileFilter({ type: 'SQL92', expression: filter });
    matches.push(({ properties }) => compiled.matches(properties));
  }
  if (grep !== undefined) {
    const pattern = patternOf(grep);
    matches.push((message) => pattern.test(Buffer.from(plainBody(message) ?? []).toString('utf8')));
  }
  return matches.length === 0 ? undefined : (message) => matches.every((match) => match(message));
}

function patternOf(source: string): RegExp {
  try {
    return new RegExp(source, 'u');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RmqError('ILLEGAL_FILTER', `--grep: ${reason}`, { cause: error });
  }
}
