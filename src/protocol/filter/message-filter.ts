/** What a consumer wants of a topic, compiled: tags or SQL92. */
import { RmqError } from '../errors.ts';
import { findProperty } from '../message/properties.ts';
import { type Evaluate, parseSqlFilter } from './sql/parser.ts';
import { NoMatch } from './sql/values.ts';
import { TagFilter } from './tag-filter.ts';

export interface MessageFilter {
  /** Every message matches. */
  readonly isAll: boolean;
  /** False: a message with that tag hash is none of ours. True: its properties decide. */
  mayMatch(tagsCode: number): boolean;
  /** `properties`: encoded, as stored. */
  matches(properties: Uint8Array): boolean;
}

class SqlFilter implements MessageFilter {
  readonly isAll = false;
  readonly #evaluate: Evaluate;

  constructor(expression: string) {
    this.#evaluate = parseSqlFilter(expression);
  }

  mayMatch(): boolean {
    return true;
  }

  matches(properties: Uint8Array): boolean {
    try {
      return this.#evaluate((name) => findProperty(properties, name)) === true;
    } catch (error) {
      if (error instanceof NoMatch) return false;
      throw error;
    }
  }
}

/** Compiled expressions kept, the newest last; long ones are not. */
const cacheCountMax = 1_000;
const cacheLengthMax = 4_096;
const cached = new Map<string, MessageFilter>();

/** @throws RmqError ILLEGAL_FILTER with what is wrong and where. */
export function compileFilter(filter: {
  readonly type: 'TAG' | 'SQL92';
  readonly expression: string;
}): MessageFilter {
  const key = `${filter.type} ${filter.expression}`;
  const known = cached.get(key);
  if (known !== undefined) return known;
  const made =
    filter.type === 'TAG' ? new TagFilter(filter.expression) : new SqlFilter(filter.expression);
  if (key.length > cacheLengthMax) return made;
  const oldest = cached.keys().next();
  if (cached.size >= cacheCountMax && oldest.done !== true) cached.delete(oldest.value);
  cached.set(key, made);
  return made;
}

/** The same as an outcome, for callers that answer by reply. */
export function tryCompileFilter(filter: {
  readonly type: 'TAG' | 'SQL92';
  readonly expression: string;
}): MessageFilter | RmqError {
  try {
    return compileFilter(filter);
  } catch (error) {
    if (error instanceof RmqError) return error;
    throw error;
  }
}
