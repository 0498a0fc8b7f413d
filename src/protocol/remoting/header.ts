/** Headers of Remoting frames in both serialisations; facts/remoting.md 1.2 and 1.3. */

import { RmqError } from '../errors.ts';
import { RequestCode } from './codes.ts';
import { type ExtFields, emptyFields, type RemotingCommand, SerializeType } from './command.ts';

export type CommandHead = Omit<RemotingCommand, 'body'>;

/** By code of the binary header. Unknown codes read as OTHER. */
const languages: readonly string[] = [
  'JAVA',
  'CPP',
  'DOTNET',
  'PYTHON',
  'DELPHI',
  'ERLANG',
  'RUBY',
  'OTHER',
  'HTTP',
  'GO',
  'PHP',
  'OMS',
  'RUST',
  'NODE_JS',
];
const languageCodes: ReadonlyMap<string, number> = new Map(
  languages.map((name, index) => [name, index]),
);
const otherLanguage = 7;
const binaryHeaderSizeMin = 21;

/** @throws RmqError BAD_FRAME */
export function decodeHeader(bytes: Buffer, serializeType: number): CommandHead {
  if (serializeType === SerializeType.json) return decodeJson(bytes);
  if (serializeType === SerializeType.rocketmq) return decodeBinary(bytes);
  throw new RmqError('BAD_FRAME', `serialize type ${serializeType} is neither JSON nor ROCKETMQ`);
}

function decodeJson(bytes: Buffer): CommandHead {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new RmqError('BAD_FRAME', 'the header is no JSON', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RmqError('BAD_FRAME', 'the header is no JSON object');
  }
  const fields = value as Record<string, unknown>; // an object, by the lines above
  const { language, remark } = fields;
  return {
    code: int32(fields['code'], 'code'),
    language: typeof language === 'string' ? language : 'JAVA',
    version: int32(fields['version'] ?? 0, 'version'),
    opaque: int32(fields['opaque'] ?? 0, 'opaque'),
    flag: int32(fields['flag'] ?? 0, 'flag'),
    remark: typeof remark === 'string' ? remark : undefined,
    extFields: textFields(fields['extFields']),
    serializeType: SerializeType.json,
  };
}

function int32(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value === (value | 0)) return value;
  throw new RmqError('BAD_FRAME', `header ${name} is no 32-bit number`);
}

/** Numbers and booleans, which ALI-ONS sends, become text; facts/remoting.md 0.9. */
function textFields(value: unknown): ExtFields {
  if (typeof value !== 'object' || value === null) return emptyFields();
  const given = value as Record<string, unknown>; // an object, by the line above
  // Mostly all is text, and the object that the parser made is as good as a copy.
  for (const name in given) if (typeof given[name] !== 'string') return asText(given);
  return given as ExtFields; // by the line above
}

function asText(given: Record<string, unknown>): ExtFields {
  const fields = emptyFields();
  for (const [name, one] of Object.entries(given)) {
    if (typeof one === 'string') fields[name] = one;
    else if (typeof one === 'number' || typeof one === 'boolean') fields[name] = String(one);
  }
  return fields;
}

/** Request codes that do not fit into 16 bits, by what is left of them; facts/remoting.md 0.1. */
const cutCodes: ReadonlyMap<number, number> = new Map(
  Object.values(RequestCode)
    .filter((code) => code > 0xffff)
    .map((code) => [code & 0xffff, code]),
);
const responseFlag = 1;

/** Java writes 200050 as 3442; no other request has that number. */
function wholeCode(code: number, flag: number): number {
  return (flag & responseFlag) === 0 ? (cutCodes.get(code & 0xffff) ?? code) : code;
}

function decodeBinary(bytes: Buffer): CommandHead {
  if (bytes.length < binaryHeaderSizeMin)
    throw new RmqError('BAD_FRAME', 'the header is too short');
  const remarkSize = bytes.readInt32BE(13);
  const extAt = 17 + remarkSize;
  if (remarkSize < 0 || extAt + 4 > bytes.length)
    throw new RmqError('BAD_FRAME', 'bad remark length');
  const flag = bytes.readInt32BE(9);
  return {
    code: wholeCode(bytes.readInt16BE(0), flag),
    language: languages[bytes.readUInt8(2)] ?? 'OTHER',
    version: bytes.readInt16BE(3),
    opaque: bytes.readInt32BE(5),
    flag,
    remark: remarkSize === 0 ? undefined : bytes.toString('utf8', 17, extAt),
    extFields: binaryFields(bytes, extAt),
    serializeType: SerializeType.rocketmq,
  };
}

function binaryFields(bytes: Buffer, extAt: number): ExtFields {
  const fields = emptyFields();
  const size = bytes.readInt32BE(extAt);
  const end = extAt + 4 + size;
  if (size < 0 || end > bytes.length)
    throw new RmqError('BAD_FRAME', 'bad length of the ext fields');
  for (let at = extAt + 4; at < end; ) {
    if (at + 2 > end) throw new RmqError('BAD_FRAME', 'an ext field is cut short');
    const keySize = bytes.readInt16BE(at);
    const valueAt = at + 2 + keySize;
    if (keySize < 0 || valueAt + 4 > end)
      throw new RmqError('BAD_FRAME', 'bad ext field name length');
    const valueSize = bytes.readInt32BE(valueAt);
    const next = valueAt + 4 + valueSize;
    if (valueSize < 0 || next > end) throw new RmqError('BAD_FRAME', 'bad ext field value length');
    const name = bytes.toString('utf8', at + 2, valueAt);
    fields[name] = bytes.toString('utf8', valueAt + 4, next);
    at = next;
  }
  return fields;
}

/** The header's bytes, behind `room` bytes that are left to the caller. */
export function encodeHeader(head: CommandHead, room: number): Buffer {
  if (head.serializeType !== SerializeType.json) {
    return Buffer.concat([Buffer.alloc(room), encodeBinary(head)]);
  }
  const text = jsonOf(head);
  const size = Buffer.byteLength(text, 'utf8');
  const out = Buffer.allocUnsafe(room + size);
  // Nearly always ASCII, which is written faster as what it is.
  out.write(text, room, size === text.length ? 'latin1' : 'utf8');
  return out;
}

function jsonOf(head: CommandHead): string {
  const { code, extFields, flag, language, opaque, remark, version } = head;
  return JSON.stringify({
    code,
    extFields,
    flag,
    language,
    opaque,
    remark,
    serializeTypeCurrentRPC: 'JSON',
    version,
  });
}

function encodeBinary(head: CommandHead): Buffer {
  const remark = Buffer.from(head.remark ?? '', 'utf8');
  const parts: Buffer[] = [];
  let extSize = 0;
  for (const name in head.extFields) {
    const key = Buffer.from(name, 'utf8');
    const value = Buffer.from(head.extFields[name] ?? '', 'utf8');
    const part = Buffer.alloc(6 + key.length + value.length);
    part.writeInt16BE(key.length, 0);
    key.copy(part, 2);
    part.writeInt32BE(value.length, 2 + key.length);
    value.copy(part, 6 + key.length);
    parts.push(part);
    extSize += part.length;
  }
  const start = Buffer.alloc(17 + remark.length + 4);
  start.writeInt16BE((head.code << 16) >> 16, 0);
  start.writeUInt8(languageCodes.get(head.language) ?? otherLanguage, 2);
  start.writeInt16BE(head.version, 3);
  start.writeInt32BE(head.opaque, 5);
  start.writeInt32BE(head.flag, 9);
  start.writeInt32BE(remark.length, 13);
  remark.copy(start, 17);
  start.writeInt32BE(extSize, 17 + remark.length);
  return Buffer.concat([start, ...parts]);
}
