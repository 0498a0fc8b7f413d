/**
 * Conditions on JSON bodies: `$.user.id == 7`, `$.items[*].price > 10 && !($.state =~ /^new/i)`. A small
 * part of JSONPath, evaluated by walking, never by running code.
 *
 *   condition  = and ('||' and)*
 *   and        = not ('&&' not)*
 *   not        = '!' not | '(' condition ')' | path [operator literal]
 *   path       = '$' ( '.' name | '.*' | '[' (integer | string | '*') ']' )*
 *   operator   = '==' | '!=' | '<=' | '<' | '>=' | '>' | '=~'
 *   literal    = number | string | true | false | null | /regex/flags (behind =~)
 *
 * A path may lead to several values: the condition holds when it holds for one of them. A path alone asks
 * whether there is a value. `!=` holds where there is none.
 */
import { RmqError } from '../../protocol/errors.ts';

/** Holds for a parsed body? */
export type JsonCondition = (root: unknown) => boolean;

type Step = string | number | typeof everything;
const everything = Symbol('every child');

type Literal = string | number | boolean | null;

const depthMax = 64;
/** Values that one path may lead to; the rest is not looked at. */
const valueCountMax = 10_000;

/**
 * The condition as a whole.
 * @throws RmqError ILLEGAL_FILTER with the place
 */
export function parseJsonCondition(text: string): JsonCondition {
  const parser = new Parser(text, 0);
  const condition = parser.condition(0);
  parser.expectEnd();
  return condition;
}

/**
 * A single comparison, or a condition in parentheses, that begins at `at`; `end` is behind it.
 * @throws RmqError ILLEGAL_FILTER with the place
 */
export function parseJsonTerm(
  text: string,
  at: number,
): { readonly condition: JsonCondition; readonly end: number } {
  const parser = new Parser(text, at);
  const condition = parser.not(0);
  return { condition, end: parser.at };
}

class Parser {
  readonly #text: string;
  at: number;

  constructor(text: string, at: number) {
    this.#text = text;
    this.at = at;
  }

  condition(depth: number): JsonCondition {
    if (depth > depthMax) throw this.#problem('is nested too deeply');
    const parts = [this.#and(depth)];
    while (this.#take('||')) parts.push(this.#and(depth));
    return parts.length === 1 ? (parts[0] as JsonCondition) : (root) => parts.some((p) => p(root)); // one part
  }

  #and(depth: number): JsonCondition {
    const parts = [this.not(depth)];
    while (this.#take('&&')) parts.push(this.not(depth));
    return parts.length === 1 ? (parts[0] as JsonCondition) : (root) => parts.every((p) => p(root)); // one part
  }

  not(depth: number): JsonCondition {
    if (depth > depthMax) throw this.#problem('is nested too deeply');
    if (this.#take('!')) {
      const inner = this.not(depth + 1);
      return (root) => !inner(root);
    }
    if (this.#take('(')) {
      const inner = this.condition(depth + 1);
      if (!this.#take(')')) throw this.#problem('needs a )');
      return inner;
    }
    return this.#comparison();
  }

  #comparison(): JsonCondition {
    const steps = this.#path();
    const operator = ['==', '!=', '<=', '>=', '=~', '<', '>'].find((one) => this.#take(one));
    if (operator === undefined) return (root) => valuesAt(root, steps).length > 0;
    if (operator === '=~') {
      const pattern = this.#regex();
      return (root) => valuesAt(root, steps).some((value) => pattern.test(textOf(value)));
    }
    const literal = this.#literal();
    if (operator === '!=') {
      return (root) => !valuesAt(root, steps).some((value) => value === literal);
    }
    const holds = comparisons[operator] as (order: number) => boolean; // one of those above
    return (root) =>
      valuesAt(root, steps).some((value) => {
        const order = orderOf(value, literal);
        return order !== undefined && holds(order);
      });
  }

  #path(): readonly Step[] {
    if (!this.#take('$')) throw this.#problem('needs a path such as $.user.id');
    const steps: Step[] = [];
    for (;;) {
      if (this.#text[this.at] === '.') {
        this.at++;
        steps.push(this.#text[this.at] === '*' ? this.#star() : this.#name());
      } else if (this.#text[this.at] === '[') {
        this.at++;
        steps.push(this.#index());
      } else return steps;
    }
  }

  #star(): typeof everything {
    this.at++;
    return everything;
  }

  #name(): string {
    const name = this.#match(/[\p{L}\p{N}_$-]+/uy);
    if (name === undefined) throw this.#problem("needs a name behind the dot, or ['a name']");
    return name;
  }

  #index(): Step {
    let step: Step | undefined;
    if (this.#take('*')) step = everything;
    else {
      const digits = this.#match(/-?\d{1,9}/y);
      step = digits === undefined ? this.#string() : Number(digits);
    }
    if (step === undefined || !this.#take(']')) throw this.#problem("needs [0], ['name'] or [*]");
    return step;
  }

  #string(): string | undefined {
    this.#space();
    const quote = this.#text[this.at];
    if (quote !== "'" && quote !== '"') return undefined;
    let out = '';
    for (let at = this.at + 1; at < this.#text.length; at++) {
      const character = this.#text[at] as string; // at < length
      if (character === quote) {
        this.at = at + 1;
        return out;
      }
      if (character === '\\') at++;
      out += this.#text[at] ?? '';
    }
    throw this.#problem(`needs a closing ${quote}`);
  }

  #literal(): Literal {
    const text = this.#string();
    if (text !== undefined) return text;
    const word = this.#match(/-?\d+(\.\d+)?([eE][-+]?\d+)?|true|false|null/y);
    if (word === undefined) throw this.#problem("needs a number, 'text', true, false or null");
    return JSON.parse(word) as Literal; // by the pattern above
  }

  #regex(): RegExp {
    this.#space();
    const source = this.#match(/\/(?:\\.|[^\\/])+\/[a-z]*/y);
    if (source === undefined) throw this.#problem('needs /a regular expression/');
    return parseRegex(source);
  }

  expectEnd(): void {
    this.#space();
    if (this.at < this.#text.length) throw this.#problem('does not go on like that');
  }

  #take(token: string): boolean {
    this.#space();
    if (!this.#text.startsWith(token, this.at)) return false;
    this.at += token.length;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  #space(): void {
    while (this.#text[this.at] === ' ') this.at++;
  }

  #problem(what: string): RmqError {
    return new RmqError('ILLEGAL_FILTER', `the filter ${what} at character ${this.at + 1}`, {
      hint: 'for example: $.user.id == 7 && $.state =~ /^new/',
    });
  }
}

/** `/source/flags`. @throws RmqError ILLEGAL_FILTER */
export function parseRegex(text: string): RegExp {
  const end = text.lastIndexOf('/');
  try {
    // Without g and y, which would remember a place from one message to the next.
    return new RegExp(text.slice(1, end), text.slice(end + 1).replace(/[gy]/g, ''));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RmqError('ILLEGAL_FILTER', reason, { cause: error });
  }
}

const comparisons: Readonly<Record<string, (order: number) => boolean>> = {
  '==': (order) => order === 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

/** Below, at or above; undefined when they cannot be compared. */
function orderOf(value: unknown, literal: Literal): number | undefined {
  if (typeof value === 'number' && typeof literal === 'number') return value - literal;
  if (typeof value === 'string' && typeof literal === 'string') {
    return value === literal ? 0 : value < literal ? -1 : 1;
  }
  return value === literal ? 0 : undefined;
}

function valuesAt(root: unknown, steps: readonly Step[]): readonly unknown[] {
  let values: unknown[] = root === undefined ? [] : [root];
  for (const step of steps) {
    const next: unknown[] = [];
    for (const value of values) {
      for (const child of childrenAt(value, step)) {
        if (next.length >= valueCountMax) break;
        next.push(child);
      }
    }
    values = next;
  }
  return values;
}

function childrenAt(value: unknown, step: Step): readonly unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  if (step === everything) return Object.values(value);
  if (Array.isArray(value)) {
    const child: unknown = typeof step === 'number' ? value.at(step) : undefined;
    return child === undefined ? [] : [child];
  }
  const name = String(step);
  return Object.hasOwn(value, name) ? [(value as Record<string, unknown>)[name]] : []; // an object
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
