/**
 * The log of a server: one line an event on stderr, a name, and fields. No secret is ever a field.
 */
import type { Clock } from '../../platform/clock.ts';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Logger {
  error(text: string, fields?: LogFields): void;
  warn(text: string, fields?: LogFields): void;
  info(text: string, fields?: LogFields): void;
  debug(text: string, fields?: LogFields): void;
  /** The same log with the part's name in front of each line. */
  named(part: string): Logger;
  /** From now on, for this log and all that were named from it. */
  setLevel(level: LogLevel): void;
}

const order: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3 };

/** Writes lines of `level` and graver through `write`. */
export function createLogger(options: {
  readonly level: LogLevel;
  readonly clock: Clock;
  readonly write: (line: string) => void;
}): Logger {
  const { clock, write } = options;
  const shared = { level: options.level };
  return partLogger({ shared, clock, write }, undefined);
}

interface Shared {
  readonly shared: { level: LogLevel };
  readonly clock: Clock;
  readonly write: (line: string) => void;
}

function partLogger(to: Shared, part: string | undefined): Logger {
  const { shared, clock, write } = to;
  const log = (at: LogLevel, text: string, fields: LogFields | undefined): void => {
    if (order[at] > order[shared.level]) return;
    const time = new Date(clock.nowMs()).toISOString();
    const name = part === undefined ? '' : `${part}: `;
    write(`${time} ${at.toUpperCase().padEnd(5)} ${name}${text}${formatFields(fields)}\n`);
  };
  return {
    error: (text, fields) => log('error', text, fields),
    warn: (text, fields) => log('warn', text, fields),
    info: (text, fields) => log('info', text, fields),
    debug: (text, fields) => log('debug', text, fields),
    named: (name) => partLogger(to, part === undefined ? name : `${part}.${name}`),
    setLevel: (level) => {
      shared.level = level;
    },
  };
}

function formatFields(fields: LogFields | undefined): string {
  if (fields === undefined) return '';
  let text = '';
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const plain = String(value);
    text += ` ${name}=${/[\s"]/.test(plain) ? JSON.stringify(plain) : plain}`;
  }
  return text;
}

/** A log that nobody reads: tests and short-lived clients. */
export const silentLogger: Logger = {
  error: () => {},
  warn: () => {},
  info: () => {},
  debug: () => {},
  named: () => silentLogger,
  setLevel: () => {},
};
