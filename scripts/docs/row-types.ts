/**
 * The fields of what commands print as JSON, read from the types of their rows: `Command<Options, Row>` names the
 * type, its interface has the fields, their comments say what they are. Only the forms of types that rows have
 * are understood; another one is an error, so that no field is forgotten.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { allCommands } from '../../src/commands/tree.ts';

export interface Field {
  /** `queues[].topic`, `rates.*.averageMs`: a path from the row on. */
  readonly path: string;
  /** `string`, `number[]`, `'a' | 'b'`, `object[]`. */
  readonly type: string;
  /** Left out when it is not known. */
  readonly isOptional: boolean;
  readonly comment: string;
}

export interface RowType {
  /** `topic list`: commands that print such rows. */
  readonly commands: readonly string[];
  readonly fields: readonly Field[];
}

const commandsFolder = fileURLToPath(new URL('../../src/commands/', import.meta.url));

/** One entry for all commands with the same fields, in the order of the commands. Those without rows are left out. */
export async function rowTypes(): Promise<readonly RowType[]> {
  const declared = await declaredRows();
  const found = new Map<string, { commands: string[]; fields: readonly Field[] }>();
  for (const { path, command } of await allCommands()) {
    const row = declared.get(command);
    if (row === undefined) throw new Error(`no type of rows found for rmq ${path.join(' ')}`);
    if (row.type === 'never' || row.type === 'object') continue;
    const fields = fieldsOf(row.file, row.type);
    const key = JSON.stringify(fields);
    const known = found.get(key) ?? { commands: [], fields };
    known.commands.push(path.join(' '));
    found.set(key, known);
  }
  return [...found.values()];
}

/** Command objects with the file and the name of their rows' type. */
async function declaredRows(): Promise<ReadonlyMap<unknown, { file: string; type: string }>> {
  const found = new Map<unknown, { file: string; type: string }>();
  const names = readdirSync(commandsFolder, { recursive: true, encoding: 'utf8' });
  for (const file of names
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(commandsFolder, name))) {
    const text = readFileSync(file, 'utf8');
    for (const match of text.matchAll(/^export const (\w+): Command</gm)) {
      const from = match.index + match[0].length;
      const [, row = ''] = splitAt(text.slice(from, closing(text, from)), ',');
      const module = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
      const place = { file, type: row.trim() };
      found.set(module[match[1] ?? ''], place);
    }
  }
  return found;
}

/** Index of the bracket that closes what is open at `from`. */
function closing(text: string, from: number): number {
  let depth = 1;
  for (let at = from; at < text.length; at++) {
    const character = text[at] ?? '';
    if (character === '>' && text[at - 1] === '=') continue; // an arrow
    if ('<{(['.includes(character)) depth++;
    else if ('>})]'.includes(character) && --depth === 0) return at;
  }
  throw new Error('a bracket is not closed');
}

/** Parts between separators that stand in no brackets, strings or comments. */
function splitAt(text: string, separator: string): string[] {
  const parts: string[] = [];
  let begin = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? '';
    if (text.startsWith('/*', at)) at = text.indexOf('*/', at) + 1;
    else if (text.startsWith('//', at)) at = text.indexOf('\n', at);
    else if (character === "'") at = text.indexOf("'", at + 1);
    else if ('<{(['.includes(character)) depth++;
    else if ('>})]'.includes(character) && text[at - 1] !== '=') depth--;
    else if (character === separator && depth === 0) {
      parts.push(text.slice(begin, at));
      begin = at + 1;
    }
  }
  parts.push(text.slice(begin));
  return parts.filter((part) => part.trim() !== '');
}

interface Declaration {
  readonly file: string;
  /** Between the braces of an interface. */
  readonly body?: string;
  readonly bases: readonly string[];
  /** What an alias stands for. */
  readonly alias?: string;
}

/** Where a name is declared, followed through imports; undefined for what is not ours. */
function declarationOf(file: string, name: string): Declaration | undefined {
  const text = readFileSync(file, 'utf8');
  const own = new RegExp(`^(?:export )?interface ${name}(?: extends ([^{]+))? \\{`, 'm').exec(text);
  if (own !== null) {
    const from = own.index + own[0].length;
    const bases = splitAt(own[1] ?? '', ',').map((base) => base.trim());
    return { file, bases, body: text.slice(from, closing(text, from)) };
  }
  const alias = new RegExp(`^(?:export )?type ${name} =([^;]+);`, 'm').exec(text)?.[1];
  if (alias !== undefined) return { file, bases: [], alias: alias.trim().replace(/\s+/g, ' ') };
  for (const [, names = '', from = ''] of text.matchAll(
    /^import (?:type )?\{([^}]*)\} from '(\.[^']+)'/gm,
  )) {
    const isNamed = names.split(',').some((one) => one.trim().replace(/^type /, '') === name);
    if (isNamed) return declarationOf(resolve(dirname(file), from), name);
  }
  return undefined;
}

function fieldsOf(file: string, type: string, prefix = ''): readonly Field[] {
  const [, base, names = ''] = /^Omit<(\w+), ([^>]+)>$/.exec(type) ?? [];
  if (base !== undefined) {
    const left = new Set([...names.matchAll(/'(\w+)'/g)].map(([, name]) => `${prefix}${name}`));
    return fieldsOf(file, base, prefix).filter(({ path }) => !left.has(path));
  }
  const found = declarationOf(file, type);
  if (found?.alias !== undefined) return fieldsOf(found.file, found.alias, prefix);
  if (found?.body === undefined) throw new Error(`${file}: no interface ${type}`);
  const { bases, body, file: from } = found;
  const own = splitAt(body, ';').flatMap((member) => memberFields(from, member, prefix));
  const inherited = bases.flatMap((base) => fieldsOf(from, base, prefix));
  return [...inherited.filter(({ path }) => !own.some((one) => one.path === path)), ...own];
}

/** The field of one member, and those inside of it. */
function memberFields(file: string, member: string, prefix: string): readonly Field[] {
  const found = /^\s*(\/\*\*([^]*?)\*\/)?\s*readonly (\w+)(\?)?:([^]+)$/.exec(member);
  if (found === null) throw new Error(`${file}: not understood: ${member}`);
  const [, , comment = '', name = '', question, typeText = ''] = found;
  const path = `${prefix}${name}`;
  const { text, inner } = shapeOf(file, typeText, path);
  const field = {
    path,
    type: text,
    isOptional: question !== undefined || /\|\s*undefined\s*$/.test(typeText),
    comment: comment.replace(/\s*\n\s*\* ?/g, ' ').trim(),
  };
  return [field, ...inner];
}

interface Shape {
  readonly text: string;
  readonly inner: readonly Field[];
}

function shapeOf(file: string, type: string, path: string): Shape {
  const parts = splitAt(type, '|').map((part) => part.trim().replace(/\s+/g, ' '));
  const shapes = parts
    .filter((part) => part !== 'undefined')
    .map((part) => partOf(file, part.replace(/^readonly /, ''), path));
  const texts = new Set(shapes.map(({ text }) => text));
  return { text: [...texts].join(' | '), inner: shapes.flatMap(({ inner }) => inner) };
}

/** Of a type that is no union. */
function partOf(file: string, type: string, path: string): Shape {
  if (/^(string|number|boolean|unknown|null|'[^']*'|\d+)$/.test(type))
    return { text: type, inner: [] };
  if (type.endsWith('[]')) {
    const element = type.slice(0, -2).replace(/^\((.*)\)$/, '$1');
    const { text, inner } = shapeOf(file, element, `${path}[]`);
    return { text: text.includes(' ') ? `(${text})[]` : `${text}[]`, inner };
  }
  const constant = /^\(typeof (\w+)\)\[number\]$/.exec(type)?.[1];
  if (constant !== undefined) return { text: constantTexts(file, constant), inner: [] };
  const [, generic = '', inside = ''] = /^(Readonly|Record|Omit)<([^]+)>$/.exec(type) ?? [];
  if (generic === 'Readonly') return shapeOf(file, inside, path);
  if (generic === 'Record') {
    const { text, inner } = shapeOf(file, splitAt(inside, ',')[1] ?? '', `${path}.*`);
    return { text: `object of ${text}`, inner };
  }
  if (type.startsWith('{')) {
    const members = splitAt(type.slice(1, -1), ';');
    return { text: 'object', inner: members.flatMap((one) => memberFields(file, one, `${path}.`)) };
  }
  const found = declarationOf(file, generic === '' ? type : (splitAt(inside, ',')[0] ?? ''));
  if (found?.alias !== undefined) return shapeOf(found.file, found.alias, path);
  if (found === undefined || !['', 'Omit'].includes(generic)) {
    throw new Error(`${file}: the type ${type} of ${path} is not understood`);
  }
  return { text: 'object', inner: fieldsOf(file, type, `${path}.`) };
}

/** `'a' | 'b'` of `const NAME = ['a', 'b'] as const` in the file. */
function constantTexts(file: string, name: string): string {
  const list = new RegExp(`const ${name} = \\[([^\\]]*)\\] as const`).exec(
    readFileSync(file, 'utf8'),
  )?.[1];
  if (list === undefined) throw new Error(`${file}: no constant list ${name}`);
  return splitAt(list, ',')
    .map((one) => one.trim())
    .join(' | ');
}
