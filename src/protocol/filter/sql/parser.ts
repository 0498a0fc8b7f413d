/**
 * From the text of an SQL92 filter to a function, by Apache's grammar with its oddities: NOT binds
 * tighter than comparison, and the expression ends at the first word that does not continue it
 * (facts/broker.md 5.1).
 */
import { illegalFilter, Lexer, type Token } from './lexer.ts';
import { asCondition, isEqual, order, type SqlValue } from './values.ts';

/** A message's properties by name; undefined: there is none. */
export type Properties = (name: string) => string | undefined;

export type Evaluate = (properties: Properties) => SqlValue;

/** What the parser has to know of an operand besides its value. */
interface Node {
  readonly evaluate: Evaluate;
  readonly kind: 'property' | 'literal' | 'condition' | 'other';
  /** Of a literal. */
  readonly value?: SqlValue;
}

/** More brackets and signs inside each other than this are refused; Apache's broker runs out of stack. */
const depthMax = 800;
const textLengthMax = 65_536;

/** @throws RmqError ILLEGAL_FILTER */
export function parseSqlFilter(text: string): Evaluate {
  if (text.length > textLengthMax) {
    throw illegalFilter(`more than ${textLengthMax} characters`, textLengthMax);
  }
  return new Parser(text).parse();
}

class Parser {
  readonly #lexer: Lexer;
  #depth = 0;

  constructor(text: string) {
    this.#lexer = new Lexer(text);
  }

  parse(): Evaluate {
    const { evaluate } = this.#or();
    // Reads what follows, to refuse what is no word at all.
    this.#lexer.peek();
    return evaluate;
  }

  #takeWord(...words: readonly string[]): string | undefined {
    const token = this.#lexer.peek();
    if (token.type !== 'word') return undefined;
    const upper = token.text.toUpperCase();
    if (!words.includes(upper)) return undefined;
    this.#lexer.take();
    return upper;
  }

  #takeSign(...signs: readonly string[]): string | undefined {
    const token = this.#lexer.peek();
    if (token.type !== 'sign' || !signs.includes(token.text)) return undefined;
    this.#lexer.take();
    return token.text;
  }

  #expectWord(word: string): void {
    if (this.#takeWord(word) === undefined) this.#refuse(`${word} is missing`);
  }

  #expectSign(sign: string): void {
    if (this.#takeSign(sign) === undefined) this.#refuse(`${sign} is missing`);
  }

  #refuse(problem: string, token: Token = this.#lexer.peek()): never {
    throw illegalFilter(problem, token.at);
  }

  #or(): Node {
    let left = this.#and();
    while (this.#takeWord('OR') !== undefined) left = or(left, this.#and());
    return left;
  }

  #and(): Node {
    let left = this.#equality();
    while (this.#takeWord('AND') !== undefined) left = and(left, this.#equality());
    return left;
  }

  #equality(): Node {
    let left = this.#comparison();
    for (;;) {
      const sign = this.#takeSign('=', '<>');
      if (sign !== undefined) {
        const right = this.#comparison();
        for (const side of [left, right]) {
          if (side.kind === 'literal' && side.value === undefined) {
            this.#refuse(`${sign} NULL is never true; say IS NULL`);
          }
        }
        left = equality(left, right, sign === '=');
      } else if (this.#takeWord('IS') !== undefined) {
        const isNot = this.#takeWord('NOT') !== undefined;
        this.#expectWord('NULL');
        left = nullTest(left, isNot);
      } else return left;
    }
  }

  #comparison(): Node {
    let left = this.#unary();
    for (;;) {
      const sign = this.#takeSign('<', '<=', '>', '>=');
      if (sign !== undefined) {
        left = this.#ordered(left, sign, this.#unary());
        continue;
      }
      const isNot = this.#takeWord('NOT') !== undefined;
      const word = this.#takeWord('BETWEEN', 'IN', 'CONTAINS', 'STARTSWITH', 'ENDSWITH');
      if (word === undefined) {
        if (isNot) this.#refuse('BETWEEN, IN, CONTAINS, STARTSWITH or ENDSWITH is missing');
        return left;
      }
      if (word === 'BETWEEN') left = this.#between(left, isNot);
      else if (word === 'IN') left = this.#in(left, isNot);
      else left = textTest(left, word, this.#string(word), isNot);
    }
  }

  #ordered(left: Node, sign: string, right: Node): Node {
    for (const side of [left, right]) {
      const isNumber = typeof side.value === 'bigint' || typeof side.value === 'number';
      if (side.kind === 'condition' || (side.kind === 'literal' && !isNumber)) {
        this.#refuse(`${sign} compares numbers only`);
      }
    }
    return condition((properties) => {
      const a = left.evaluate(properties);
      const b = right.evaluate(properties);
      if (a === undefined || b === undefined) return undefined;
      return holds(sign, order(a, b));
    });
  }

  #between(value: Node, isNot: boolean): Node {
    const low = this.#unary();
    this.#expectWord('AND');
    const high = this.#unary();
    for (const bound of [low, high]) {
      if (bound.kind === 'literal' && bound.value === undefined) {
        this.#refuse('BETWEEN with NULL is never true');
      }
    }
    if (low.kind === 'literal' && high.kind === 'literal' && isNumber(low) && isNumber(high)) {
      if (order(low.value, high.value) > 0) this.#refuse('BETWEEN has its bounds reversed');
    }
    return isNot
      ? or(this.#ordered(value, '<', low), this.#ordered(value, '>', high))
      : and(this.#ordered(value, '>=', low), this.#ordered(value, '<=', high));
  }

  #in(value: Node, isNot: boolean): Node {
    if (value.kind !== 'property') this.#refuse('IN needs a property in front of it');
    this.#expectSign('(');
    const list = new Set([this.#string('IN')]);
    while (this.#takeSign(',') !== undefined) list.add(this.#string('IN'));
    this.#expectSign(')');
    return condition((properties) => {
      const found = value.evaluate(properties);
      return found === undefined ? undefined : list.has(String(found)) !== isNot;
    });
  }

  #string(after: string): string {
    const token = this.#lexer.take();
    if (token.type !== 'string') this.#refuse(`${after} takes strings only`, token);
    return token.value;
  }

  #unary(): Node {
    if (++this.#depth > depthMax) this.#refuse(`more than ${depthMax} levels`);
    const node = this.#unaryInside();
    this.#depth--;
    return node;
  }

  #unaryInside(): Node {
    if (this.#takeSign('+') !== undefined) return this.#unary();
    if (this.#takeSign('-') !== undefined) return negated(this.#unary());
    if (this.#takeWord('NOT') !== undefined) return not(this.#unary());
    return this.#primary();
  }

  #primary(): Node {
    const token = this.#lexer.take();
    switch (token.type) {
      case 'string':
      case 'integer':
      case 'double':
        return literal(token.value);
      case 'word':
        return this.#wordValue(token);
      case 'sign':
        if (token.text !== '(') break;
        return this.#bracket();
      case 'end':
        return this.#refuse('the expression ends too early', token);
    }
    return this.#refuse(`${JSON.stringify(token.text)} is not a value`, token);
  }

  #bracket(): Node {
    const inside = this.#or();
    this.#expectSign(')');
    return inside;
  }

  #wordValue(token: Extract<Token, { type: 'word' }>): Node {
    const { text } = token;
    switch (text.toUpperCase()) {
      case 'TRUE':
        return literal(true);
      case 'FALSE':
        return literal(false);
      case 'NULL':
        return literal(undefined);
      case 'AND':
      case 'OR':
      case 'IS':
      case 'IN':
      case 'BETWEEN':
      case 'CONTAINS':
      case 'STARTSWITH':
      case 'ENDSWITH':
        return this.#refuse(`${text} is not a value`, token);
      default:
        return { kind: 'property', evaluate: (properties) => properties(text) };
    }
  }
}

function isNumber(node: Node): boolean {
  return typeof node.value === 'bigint' || typeof node.value === 'number';
}

function holds(sign: string, found: number): boolean {
  switch (sign) {
    case '<':
      return found < 0;
    case '<=':
      return found <= 0;
    case '>':
      return found > 0;
    default:
      return found >= 0;
  }
}

function literal(value: SqlValue): Node {
  return { kind: 'literal', value, evaluate: () => value };
}

function condition(evaluate: (properties: Properties) => boolean | undefined): Node {
  return { kind: 'condition', evaluate };
}

function or(left: Node, right: Node): Node {
  return condition((properties) => {
    const a = asCondition(left.evaluate(properties));
    if (a === true) return true;
    const b = asCondition(right.evaluate(properties));
    if (b === true) return true;
    return a === undefined || b === undefined ? undefined : false;
  });
}

function and(left: Node, right: Node): Node {
  return condition((properties) => {
    const a = asCondition(left.evaluate(properties));
    if (a === false) return false;
    const b = asCondition(right.evaluate(properties));
    if (b === false) return false;
    return a === undefined || b === undefined ? undefined : true;
  });
}

function not(inside: Node): Node {
  return condition((properties) => {
    const value = asCondition(inside.evaluate(properties));
    return value === undefined ? undefined : !value;
  });
}

function equality(left: Node, right: Node, isWanted: boolean): Node {
  return condition((properties) => {
    const a = left.evaluate(properties);
    const b = right.evaluate(properties);
    if (a === undefined || b === undefined) return undefined;
    return isEqual(a, b) === isWanted;
  });
}

function nullTest(inside: Node, isNot: boolean): Node {
  return condition((properties) => (inside.evaluate(properties) === undefined) !== isNot);
}

/** A negated literal is a literal; a negated property is nothing. */
function negated(inside: Node): Node {
  const negate = (value: SqlValue): SqlValue =>
    typeof value === 'bigint' || typeof value === 'number' ? -value : undefined;
  if (inside.kind === 'literal') return literal(negate(inside.value));
  return { kind: 'other', evaluate: (properties) => negate(inside.evaluate(properties)) };
}

/** Missing properties and empty arguments never match, also with NOT. */
function textTest(left: Node, word: string, wanted: string, isNot: boolean): Node {
  return condition((properties) => {
    const found = left.evaluate(properties);
    if (typeof found !== 'string' || wanted === '') return false;
    switch (word) {
      case 'CONTAINS':
        return found.includes(wanted) !== isNot;
      case 'STARTSWITH':
        return found.startsWith(wanted) !== isNot;
      default:
        return found.endsWith(wanted) !== isNot;
    }
  });
}
