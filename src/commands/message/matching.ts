/** Which messages are meant, for commands that go through many; each flag as in `rmq tail`. */
import type { StoredMessage } from '../../protocol/message/message.ts';
import type { Flag } from '../shared/command.ts';
import {
  allOf,
  bodyIs,
  type Condition,
  jsonHolds,
  keyIs,
  parseCondition,
  sqlHolds,
  tagIs,
} from '../tail/condition.ts';
import { TailEntry } from '../tail/entry.ts';

export interface MatchOptions {
  readonly tag?: string;
  readonly sql?: string;
  readonly key?: string;
  readonly grep?: string;
  readonly where?: string;
  readonly filter?: string;
}

export const matchFlags: readonly Flag[] = [
  {
    name: 'tag',
    kind: { type: 'text', placeholder: 'TAGS' },
    description: "only these tags: 'new || paid'",
  },
  {
    name: 'sql',
    kind: { type: 'text', placeholder: 'SQL92' },
    description: 'only properties like that: "price > 10 AND region = \'eu\'"',
  },
  {
    name: 'key',
    kind: { type: 'text', placeholder: 'KEY' },
    description: 'only messages with this key',
  },
  {
    name: 'grep',
    kind: { type: 'text', placeholder: 'TEXT' },
    description: 'only bodies with this text, or that match /a regular expression/i',
  },
  {
    name: 'where',
    kind: { type: 'text', placeholder: 'CONDITION' },
    description: 'only JSON bodies like that: "$.user.id == 7"',
  },
  {
    name: 'filter',
    kind: { type: 'text', placeholder: 'LINE' },
    description: "several of these in one line: 'tag:paid region=eu !/test/i'",
  },
];

export type Match = (message: StoredMessage, brokerName: string) => boolean;

/** All of what was said; undefined when nothing was. @throws RmqError ILLEGAL_FILTER */
export function matchOf({ tag, sql, key, grep, where, filter }: MatchOptions): Match | undefined {
  const conditions: (Condition | undefined)[] = [
    tag === undefined ? undefined : tagIs(tag),
    sql === undefined ? undefined : sqlHolds(sql),
    key === undefined ? undefined : keyIs(key),
    grep === undefined ? undefined : bodyIs(grep),
    where === undefined ? undefined : jsonHolds(where),
    filter === undefined ? undefined : parseCondition(filter),
  ];
  const condition = allOf(conditions.filter((one) => one !== undefined));
  if (condition === undefined) return undefined;
  return (message, brokerName) => condition(new TailEntry(message, brokerName));
}
