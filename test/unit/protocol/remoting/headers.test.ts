/** Header codecs, bodies and texts of the Remoting protocol: round trips and refusals. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { answerError } from '../../../../src/protocol/remoting/answer-error.ts';
import { decodeBatchBody, encodeBatchBody } from '../../../../src/protocol/remoting/batch-body.ts';
import { parseBatchAcks } from '../../../../src/protocol/remoting/bodies/batch-ack.ts';
import { parseLenientJson } from '../../../../src/protocol/remoting/bodies/lenient-json.ts';
import { objectKeyMap } from '../../../../src/protocol/remoting/bodies/object-keys.ts';
import {
  applyAttributeChanges,
  parseAttributeChanges,
} from '../../../../src/protocol/remoting/bodies/topic-config.ts';
import { RequestCode, requestKinds, requestName } from '../../../../src/protocol/remoting/codes.ts';
import { popHeader } from '../../../../src/protocol/remoting/headers/pop.ts';
import {
  formatExtraInfo,
  parseExtraInfo,
  parsePopInfo,
} from '../../../../src/protocol/remoting/headers/pop-info.ts';
import { sendHeader, sendHeaderV2 } from '../../../../src/protocol/remoting/headers/send.ts';

const send = {
  producerGroup: 'g',
  topic: 't',
  defaultTopic: 'TBW102',
  defaultTopicQueueCount: 4,
  queueId: 2,
  sysFlag: 0,
  bornTimestampMs: 1_795_415_468_047,
  flag: 0,
  properties: 'KEYS\u0001k\u0002',
  reconsumeTimes: 0,
  isUnitMode: false,
  maxReconsumeTimes: undefined,
  isBatch: false,
  brokerName: 'b',
};

describe('headers', () => {
  test('short and long names say the same', () => {
    expect(sendHeaderV2.encode(send)).toMatchObject({ a: 'g', b: 't', e: '2', n: 'b' });
    expect(sendHeader.encode(send)).toMatchObject({ producerGroup: 'g', topic: 't', queueId: '2' });
    expect(sendHeaderV2.decode(sendHeaderV2.encode(send))).toEqual(send);
    expect(sendHeader.decode(sendHeader.encode(send))).toEqual(send);
  });

  test('a missing field and a wrong number are named', () => {
    expect(() => sendHeaderV2.decode({ b: 't' })).toThrow(/header field a is missing/);
    for (const wrong of ['x', '', '1.5', '9007199254740993', '0x10', ' 1']) {
      const fields = { consumerGroup: 'g', topic: 't', maxMsgNums: wrong, invisibleTime: '1' };
      expect(() => popHeader.decode(fields)).toThrow(/header field maxMsgNums/);
    }
  });

  test('any header comes back', () => {
    const name = fc.string();
    const count = fc.maxSafeInteger();
    fc.assert(
      fc.property(name, name, count, fc.boolean(), (group, topic, value, flag) => {
        const header = {
          group,
          topic,
          queueId: value,
          maxCount: value,
          invisibleTimeMs: value,
          pollingTimeMs: value,
          bornTimeMs: value,
          initMode: 1,
          filterType: 'TAG',
          filterExpression: topic,
          isOrdered: flag,
          attemptId: flag ? group : undefined,
          brokerName: undefined,
        };
        expect(popHeader.decode(popHeader.encode(header))).toEqual(header);
      }),
    );
  });
});

describe('codes', () => {
  test('no number twice, every number a name', () => {
    const numbers = Object.values(requestKinds).map(({ code }) => code);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(requestName(RequestCode.POP_MESSAGE)).toBe('POP_MESSAGE');
    expect(requestName(4711)).toBe('4711');
  });

  test('an error comes back by name from ours, by code from others', () => {
    const fields = { rmqError: 'ILLEGAL_QUEUE' };
    expect(answerError({ code: 29, remark: 'r', extFields: fields }).code).toBe('ILLEGAL_QUEUE');
    expect(answerError({ code: 17, remark: 'r', extFields: {} })).toMatchObject({
      code: 'TOPIC_NOT_FOUND',
      message: 'r',
    });
    expect(
      answerError({ code: 999, remark: undefined, extFields: { rmqError: 'toString' } }).code,
    ).toBe('INTERNAL');
  });
});

describe('bodies', () => {
  test('a batch comes back; random bytes are refused or read, nothing else', () => {
    const bytes = fc.uint8Array({ maxLength: 40 });
    const entry = fc.record({ flag: fc.nat(), body: bytes, properties: bytes });
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 5 }), (entries) => {
        const back = decodeBatchBody(encodeBatchBody(entries));
        expect(
          back.map(({ flag, body, properties }) => [flag, [...body], [...properties]]),
        ).toEqual(entries.map(({ flag, body, properties }) => [flag, [...body], [...properties]]));
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        try {
          decodeBatchBody(Buffer.from(noise));
        } catch (error) {
          expect(error).toMatchObject({ code: 'BAD_REQUEST' });
        }
      }),
    );
  });

  test('bit sets of batch acks, as seen on the wire', () => {
    // facts/remoting.md 6.3: "Cw==" = 0, 1, 3
    const ack = { c: 'g', t: 't', r: '0', so: 10, q: 2, rq: 1, pt: 5, it: 6, b: 'Cw==' };
    const body = Buffer.from(JSON.stringify({ brokerName: 'b', acks: [ack] }));
    const [first] = parseBatchAcks(body).acks;
    expect(first).toMatchObject({ group: 'g', topic: 't', queueId: 2, offsets: [10, 11, 13] });
  });

  test('JSON with bare and object keys', () => {
    const parse = (text: string): unknown => parseLenientJson(Buffer.from(text));
    expect(parse('{"a":{0:"x", 1 : "y"},"b":[1,true,null]}')).toEqual({
      a: { 0: 'x', 1: 'y' },
      b: [1, true, null],
    });
    const map = objectKeyMap([[{ topic: 't', queueId: 0 }, { maxOffset: 4 }]]);
    expect(parse(`{"offsetTable":${map}}`)).toEqual({
      offsetTable: { '{"topic":"t","queueId":0}': { maxOffset: 4 } },
    });
    for (const wrong of ['', '{', '{"a"}', '[1,]', '{0:}', 'nope', '['.repeat(100)]) {
      expect(() => parse(wrong)).toThrow(/no JSON/);
    }
  });

  test('changes to attributes', () => {
    const changes = parseAttributeChanges('+message.type=FIFO,-queue.type, ');
    const before = { 'queue.type': 'SimpleCQ', kept: '1' };
    expect(applyAttributeChanges(before, changes)).toEqual({ kept: '1', 'message.type': 'FIFO' });
  });
});

describe('pop texts', () => {
  test('elements by retry mark and queue', () => {
    const values = parsePopInfo('0 qo0%0 1;0 qo0%1 1;0 0 0');
    expect([...values]).toEqual([
      ['0 qo0%0', '1'],
      ['0 qo0%1', '1'],
      ['0 0', '0'],
    ]);
    expect(parsePopInfo(undefined).size).toBe(0);
  });

  test('handles of eight and nine words come back, others are none', () => {
    for (const text of ['10 1795415468047 60000 3 1 broker-a 2 11', '10 5 6 999 0 b 2 11 4096']) {
      const info = parseExtraInfo(text);
      expect(info && formatExtraInfo(info)).toBe(text);
    }
    for (const text of ['', '1 2 3', '1 2 3 4 0 b x 7', '1 -2 3 4 0 b 1 7', '1 2 3 4 0 b 1 7 z']) {
      expect(parseExtraInfo(text)).toBeUndefined();
    }
  });
});
