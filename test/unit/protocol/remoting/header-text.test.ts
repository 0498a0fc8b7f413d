/** Short ways of headers say what the long ways say. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RequestCode } from '../../../../src/protocol/remoting/codes.ts';
import { SerializeType } from '../../../../src/protocol/remoting/command.ts';
import { decodeHeader, encodeHeader } from '../../../../src/protocol/remoting/header.ts';
import { sendHeader, sendHeaderV2 } from '../../../../src/protocol/remoting/headers/send.ts';

const text = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  fc.constantFrom('', '"', '\\', '\u007f', 'a\u0001b\u0002', 'x'.repeat(20_000)),
);
const number = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

test('the bytes are those of JSON.stringify', () => {
  fc.assert(
    fc.property(
      fc.record({
        code: number,
        extFields: fc.dictionary(
          text.filter((name) => name !== '__proto__'),
          text,
          { maxKeys: 5 },
        ),
        flag: number,
        language: text,
        opaque: number,
        remark: fc.option(text, { nil: undefined }),
        version: number,
      }),
      (head) => {
        const bytes = encodeHeader({ ...head, serializeType: SerializeType.json }, 8).subarray(8);
        const { code, extFields, flag, language, opaque, remark, version } = head;
        const fields = { code, extFields, flag, language, opaque, remark };
        const json = JSON.stringify({ ...fields, serializeTypeCurrentRPC: 'JSON', version });
        expect(bytes.toString('utf8')).toBe(Buffer.from(json).toString('utf8'));
        const back = decodeHeader(bytes, SerializeType.json);
        expect(back.opaque).toBe(opaque);
      },
    ),
  );
});

test('fields that are no text become text, and names of JavaScript are names', () => {
  const json = '{"code":1,"extFields":{"a":1,"b":true,"c":null,"__proto__":"p","constructor":"c"}}';
  const { extFields } = decodeHeader(Buffer.from(json), SerializeType.json);
  expect(Object.entries(extFields)).toEqual([
    ['a', '1'],
    ['b', 'true'],
    ['__proto__', 'p'],
    ['constructor', 'c'],
  ]);
});

test('short names mean what long names mean', () => {
  const given = {
    producerGroup: 'g',
    topic: 't',
    defaultTopic: 'TBW102',
    defaultTopicQueueCount: 4,
    queueId: -1,
    sysFlag: 4,
    bornTimestampMs: 1_700_000_000_000,
    flag: 7,
    properties: 'A\u0001b\u0002',
    reconsumeTimes: 2,
    isUnitMode: true,
    maxReconsumeTimes: 3,
    isBatch: true,
    brokerName: 'b',
  };
  expect(sendHeaderV2.decode(sendHeaderV2.encode(given))).toEqual(given);
  expect(sendHeader.decode(sendHeader.encode(given))).toEqual(given);
  const least = { a: 'g', b: 't', e: '1' };
  const long = { producerGroup: 'g', topic: 't', queueId: '1' };
  expect(sendHeaderV2.decode(least)).toEqual(sendHeader.decode(long));
  expect(sendHeaderV2.decode({ ...least, k: 'TRUE' }).isUnitMode).toBe(true);
  expect(() => sendHeaderV2.decode({ ...least, e: '1.5' })).toThrow('header field e');
  expect(() => sendHeaderV2.decode({ ...least, e: '9007199254740993' })).toThrow('header field e');
  expect(sendHeaderV2.decode({ ...least, g: '+0012' }).bornTimestampMs).toBe(12);
});

test('a request code that a binary header has cut to 16 bits is known; a response code is what it says', () => {
  const head = {
    code: RequestCode.POP_MESSAGE,
    language: 'JAVA',
    version: 493,
    opaque: 7,
    flag: 0,
    remark: undefined,
    extFields: { topic: 'orders' },
    serializeType: SerializeType.rocketmq,
  } as const;
  const written = (flag: number): Buffer => encodeHeader({ ...head, flag }, 0);
  expect(written(0).readInt16BE(0)).toBe(3442);
  expect(decodeHeader(written(0), SerializeType.rocketmq).code).toBe(200_050);
  expect(decodeHeader(written(1), SerializeType.rocketmq).code).toBe(3442);
});
