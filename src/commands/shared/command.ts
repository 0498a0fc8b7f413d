/**
 * What a command is: it declares and runs, nothing more. Parsing, help, rendering and errors are made
 * from the declaration, so every command behaves alike.
 */
import type { RmqError } from '../../protocol/errors.ts';
import type { ValueKind } from '../../util/values.ts';
import type { Context } from './context.ts';
import type { Style } from './theme.ts';

export interface Argument {
  /** As in usage: `topic`. The option object has it under this name, camelCase. */
  readonly name: string;
  readonly description: string;
  readonly isRequired: boolean;
  /** The last one may be given several times: the option object has a list. */
  readonly isVariadic?: true;
}

/** How an argument stands in usage: `TOPIC`, `[TOPIC...]`. */
export function argumentWord({ name, isRequired, isVariadic }: Argument): string {
  const word = `${name.toUpperCase()}${isVariadic === true ? '...' : ''}`;
  return isRequired ? word : `[${word}]`;
}

export interface Flag {
  /** `queues` for `--queues`; the option object has it under this name, camelCase. */
  readonly name: string;
  readonly short?: string;
  readonly kind: ValueKind;
  /** Text, parsed like what a user types; undefined: the option is undefined when left out. */
  readonly default?: string;
  /** One sentence without a full stop. */
  readonly description: string;
  /** Variable behind the flag. */
  readonly environment?: string;
  /** Heading in help; `Flags` when left out. */
  readonly group?: string;
  /** The command parses it (settings of a server): it gets the text as it was said, or undefined. */
  readonly isRaw?: true;
  /** Shown as default, where nothing is parsed from it (settings of a server). */
  readonly shownDefault?: string;
}

export interface Column<Row> {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** What `--output name` prints; the first column where none says so. */
  readonly isName?: true;
  /** The text of a cell; `undefined` shows as `-`. */
  value(row: Row, context: Context): string | number | undefined;
  style?(row: Row): Style | undefined;
}

/** What a destroying command asks before it runs. */
export interface Confirmation {
  /** What goes for good, one sentence. */
  readonly question: string;
  /** Has to be typed. */
  readonly name: string;
}

export interface Command<Options extends object, Row extends object> {
  /** One sentence without a full stop, for lists and help. */
  readonly summary: string;
  /** read: looks; change: can be undone; destroy: asks first, has --yes and --dry-run. */
  readonly impact: 'read' | 'change' | 'destroy';
  readonly arguments?: readonly Argument[];
  readonly flags: readonly Flag[];
  readonly columns: readonly Column<Row>[];
  /** Command lines that work as typed, with what they do. */
  readonly examples: readonly (readonly [line: string, effect: string])[];
  /** Talks to a cluster: has --namesrv and --timeout. */
  readonly isRemote: boolean;
  /** Ends in order by itself when its signal is aborted; others are left where they are. */
  readonly isDraining?: true;
  confirmation?(options: Options): Confirmation;
  /** What is wrong with what was printed: it ends the command with that error's exit code. */
  verdict?(result: readonly Row[] | Row): RmqError | undefined;
  /**
   * Rows for a list, a single row to describe one thing, a stream for what has no end; undefined when
   * there is nothing to print. Neither console nor process are used here.
   */
  run(
    context: Context,
    options: Options,
  ): Promise<readonly Row[] | Row | undefined> | AsyncIterable<Row>;
}

/** A command whose options and rows are its own business. */
export type AnyCommand = Command<object, object>;

/** A place in the command tree. */
export interface CommandEntry {
  readonly name: string;
  readonly load: () => Promise<AnyCommand>;
}

export interface NounEntry {
  readonly name: string;
  readonly summary: string;
  readonly commands: readonly CommandEntry[];
}

/** `queueCount` for `queue-count`. */
export function optionName(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
