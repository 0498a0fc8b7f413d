/**
 * Makes src/protocol/grpc/generated/messages.ts from proto/: a class, a reader and a writer per message
 * of definition.proto, service.proto and admin.proto, plain constants per enum, and one encode/decode pair per
 * message. Nothing of the schema is left at run time. Skips when the result is newer than its inputs.
 *
 * Timestamps and durations become milliseconds (`born_timestamp` → `bornTimestampMs`), 64-bit fields
 * numbers, maps `Map`s. Fields with presence (messages, `optional`, oneof members) are undefined when
 * absent. Of a repeated singular message the last one counts.
 */
import { mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const protoFolder = join(root, 'proto/apache/rocketmq/v2');
const sources = ['definition.proto', 'service.proto', 'admin.proto'];
const target = join(root, 'src/protocol/grpc/generated/messages.ts');

const scalarKinds = {
  string: { type: 'string', empty: "''", wire: 2 },
  bytes: { type: 'Uint8Array', empty: 'emptyBytes', wire: 2 },
  int32: { type: 'number', empty: '0', wire: 0 },
  int64: { type: 'number', empty: '0', wire: 0 },
  bool: { type: 'boolean', empty: 'false', wire: 0 },
  float: { type: 'number', empty: '0', wire: 5 },
  double: { type: 'number', empty: '0', wire: 1 },
};
const timeKinds = {
  '.google.protobuf.Timestamp': 'timestamp',
  '.google.protobuf.Duration': 'duration',
};

/** What the templates need to know of a field. */
function describe(field) {
  const resolved = field.resolvedType;
  const time = timeKinds[resolved?.fullName];
  const name = field.name + (time === undefined ? '' : 'Ms');
  if (field.map) {
    if (field.keyType !== 'string') throw new Error(`${field}: map type`);
    if (field.type === 'string') return { field, name, kind: 'map', type: 'string' };
    return { field, name, kind: 'messageMap', type: resolved.name };
  }
  if (time !== undefined) return { field, name, kind: time, type: 'number', wire: 2 };
  const isEnum = resolved !== null && 'values' in resolved;
  if (resolved !== null && !isEnum) {
    return { field, name, kind: 'message', type: resolved.name, wire: 2 };
  }
  const scalar = scalarKinds[isEnum ? 'int32' : field.type];
  if (scalar === undefined) throw new Error(`${field.fullName}: type ${field.type}`);
  return { field, name, kind: isEnum ? 'int32' : field.type, ...scalar };
}

const hasPresence = ({ field, kind }) =>
  kind === 'message' || kind === 'timestamp' || kind === 'duration' || field.partOf !== null;
const isPacked = ({ field, kind }) => field.repeated && kind === 'int32';

function classOf(type, fields) {
  const lines = fields.map((item) => {
    const { name, kind, field } = item;
    if (kind === 'map' || kind === 'messageMap') {
      return `  ${name}: Map<string, ${item.type}> = new Map();`;
    }
    if (field.repeated) return `  ${name}: ${item.type}[] = [];`;
    if (hasPresence(item)) return `  ${name}: ${item.type} | undefined = undefined;`;
    return `  ${name}: ${item.type} = ${item.empty};`;
  });
  return `export class ${type.name} {\n${lines.join('\n')}\n}`;
}

function initOf(type, fields) {
  const lines = fields.map(({ name, kind, field, type: of }) => {
    if (kind === 'map') return `  readonly ${name}?: ReadonlyMap<string, string> | undefined;`;
    if (kind === 'messageMap') {
      return `  readonly ${name}?: ReadonlyMap<string, ${of}Init> | undefined;`;
    }
    const one = kind === 'message' ? `${of}Init` : of;
    return `  readonly ${name}?: ${field.repeated ? `readonly ${one}[]` : one} | undefined;`;
  });
  return `export interface ${type.name}Init {\n${lines.join('\n')}\n}`;
}

function readerOf(type, fields) {
  const cases = fields.flatMap((item) => {
    const { name, kind, field, type: of, wire } = item;
    const isMap = kind === 'map' || kind === 'messageMap';
    const tag = (field.id << 3) | (isMap ? 2 : wire);
    let action;
    if (kind === 'map') action = `r.stringEntry(m.${name});`;
    else if (kind === 'messageMap') {
      action = `r.entry(m.${name}, () => new ${of}(), () => read${of}(r, r.limit()));`;
    } else {
      const read =
        kind === 'message'
          ? `read${of}(r, r.limit())`
          : kind === 'timestamp' || kind === 'duration'
            ? 'r.milliseconds()'
            : `r.${kind}()`;
      action = field.repeated ? `m.${name}.push(${read});` : `m.${name} = ${read};`;
    }
    const lines = [`      case ${tag}:\n        ${action}\n        break;`];
    if (isPacked(item)) {
      lines.push(
        `      case ${(field.id << 3) | 2}:\n        r.packedInt32(m.${name});\n        break;`,
      );
    }
    return lines;
  });
  return `function read${type.name}(r: Reader, end: number): ${type.name} {
  const m = new ${type.name}();
  while (r.at < end) {
    const tag = r.tag();
    switch (tag) {
${cases.join('\n')}
      default:
        r.skip(tag);
    }
  }
  r.close(end);
  return m;
}`;
}

function writeValue(item, value) {
  const { kind, field, type: of, wire } = item;
  const tag = (field.id << 3) | wire;
  if (kind === 'message') {
    return `const mark = w.mark();\n    write${of}(w, ${value});\n    w.message(${tag}, mark);`;
  }
  return `w.${kind}(${tag}, ${value});`;
}

function writerOf(type, fields) {
  const parts = [...fields].sort((a, b) => b.field.id - a.field.id);
  const lines = parts.map((item) => {
    const { name, kind, field } = item;
    const variable = `m.${name}`;
    if (kind === 'map') {
      return `  if (${variable} !== undefined) w.stringEntries(${(field.id << 3) | 2}, ${variable});`;
    }
    if (kind === 'messageMap') {
      return `  if (${variable} !== undefined)
    w.entries(${(field.id << 3) | 2}, ${variable}, (value) => write${item.type}(w, value));`;
    }
    if (isPacked(item)) {
      return `  if (${variable} !== undefined && ${variable}.length > 0) w.packedInt32(${(field.id << 3) | 2}, ${variable});`;
    }
    if (field.repeated) {
      return `  if (${variable} !== undefined)
  for (let index = ${variable}.length - 1; index >= 0; index--) {
    const item = ${variable}[index] as ${item.type}${kind === 'message' ? 'Init' : ''};
    ${writeValue(item, 'item')}
  }`;
    }
    const absent = hasPresence(item) || kind === 'bytes' ? '' : ` && ${variable} !== ${item.empty}`;
    return `  if (${variable} !== undefined${absent}) {\n    ${writeValue(item, variable)}\n  }`;
  });
  if (lines.length === 0) {
    return `function write${type.name}(_w: Writer, _m: ${type.name}Init): void {}`;
  }
  return `function write${type.name}(w: Writer, m: ${type.name}Init): void {\n${lines.join('\n')}\n}`;
}

function codecOf({ name }) {
  return `export function decode${name}(bytes: Uint8Array): ${name} {
  const r = new Reader(bytes);
  return read${name}(r, r.end);
}

export function encode${name}(m: ${name}Init): Buffer {
  sharedWriter.reset();
  write${name}(sharedWriter, m);
  return sharedWriter.take();
}`;
}

function enumOf({ name, values }) {
  const lines = Object.entries(values).map(([key, value]) => `  ${key}: ${value},`);
  return `export const ${name} = {\n${lines.join('\n')}\n} as const;`;
}

function typesOf(namespace) {
  return namespace.nestedArray.flatMap((item) =>
    'nestedArray' in item ? [item, ...typesOf(item)] : [item],
  );
}

async function render() {
  const { default: protobuf } = await import('protobufjs');
  const schema = new protobuf.Root();
  schema.resolvePath = (_, file) =>
    file.startsWith('google/') ? null : join(root, 'proto', file.replace(/^.*\/proto\//, ''));
  schema.loadSync(sources.map((file) => `apache/rocketmq/v2/${file}`));
  schema.resolveAll();
  const all = typesOf(schema.lookup('apache.rocketmq.v2'));
  const enums = all.filter((item) => 'valuesById' in item);
  const messages = all.filter((item) => 'fieldsArray' in item);
  const parts = [
    '// Made by scripts/generate-grpc.mjs from proto/; changes here are lost.',
    "import { Reader, sharedWriter, type Writer } from '../wire.ts';",
    'const emptyBytes: Uint8Array = new Uint8Array(0);',
    ...enums.map(enumOf),
  ];
  for (const type of messages) {
    const fields = type.fieldsArray.map(describe);
    parts.push(classOf(type, fields), initOf(type, fields));
    parts.push(readerOf(type, fields), writerOf(type, fields), codecOf(type));
  }
  return `${parts.join('\n\n')}\n`;
}

function modifiedMs(file) {
  try {
    return statSync(file).mtimeMs;
  } catch {
    return 0; // Not there: older than everything.
  }
}

/** Generates when an input changed since the last time. */
export async function generateGrpc() {
  const inputs = [
    ...sources.map((file) => join(protoFolder, file)),
    fileURLToPath(import.meta.url),
  ];
  const builtMs = modifiedMs(target);
  if (inputs.every((file) => modifiedMs(file) <= builtMs)) return;
  const text = await render();
  mkdirSync(dirname(target), { recursive: true });
  // Renamed into place: several test runs may generate at the same time.
  const temporary = `${target}.${process.pid}`;
  writeFileSync(temporary, text);
  renameSync(temporary, target);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await generateGrpc();
