/** The generated codecs against protobufjs, which reads the same .proto files by reflection. */
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { RmqError } from '../../../../src/protocol/errors.ts';
import {
  decodeMessage,
  decodeReceiveMessageRequest,
  decodeSendResultEntry,
  decodeSettings,
  encodeMessage,
  encodeMessageQueue,
  encodeReceiveMessageRequest,
  encodeSendResultEntry,
  encodeSettings,
} from '../../../../src/protocol/grpc/generated/messages.ts';

const root = new protobuf.Root();
root.resolvePath = (_origin, file) => (file.startsWith('google/') ? null : `proto/${file}`);
root.loadSync(['definition', 'service'].map((name) => `apache/rocketmq/v2/${name}.proto`));

function reference(name: string, bytes: Uint8Array): Record<string, unknown> {
  const type = root.lookupType(`apache.rocketmq.v2.${name}`);
  return type.toObject(type.decode(bytes), { longs: Number });
}

const offset = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const bytes = fc.uint8Array({ maxLength: 300 });

describe('generated codecs', () => {
  it('write messages as protobufjs reads them', () => {
    const properties = fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.string()));
    fc.assert(
      fc.property(bytes, properties, offset, fc.integer(), (body, pairs, queueOffset, priority) => {
        const userProperties = new Map(pairs.filter(([name]) => name !== '__proto__'));
        const encoded = encodeMessage({
          topic: { name: 'orders' },
          userProperties,
          systemProperties: { keys: ['a', 'ü'], queueOffset, priority, bornTimestampMs: 1_500.5 },
          body,
        });
        const read = reference('Message', encoded) as {
          userProperties?: Record<string, string>;
          systemProperties: Record<string, unknown>;
          body?: Uint8Array;
        };
        expect(new Map(Object.entries(read.userProperties ?? {}))).toEqual(userProperties);
        expect(read.systemProperties).toEqual({
          keys: ['a', 'ü'],
          queueOffset,
          priority,
          bornTimestamp: { seconds: 1, nanos: 500_500_000 },
        });
        expect(Buffer.from(read.body ?? [])).toEqual(Buffer.from(body));
      }),
    );
  });

  it('read what they wrote', () => {
    fc.assert(
      fc.property(bytes, offset, fc.option(fc.string(), { nil: undefined }), (body, at, tag) => {
        const systemProperties = { tag, queueOffset: at, invisibleDurationMs: 12_345 };
        const message = decodeMessage(encodeMessage({ body, systemProperties }));
        expect(Buffer.from(message.body)).toEqual(Buffer.from(body));
        expect(message.systemProperties).toMatchObject(systemProperties);
        expect(message.topic).toBeUndefined();
      }),
    );
  });

  it('keep negative and large numbers, zero durations and packed lists', () => {
    const entry = encodeSendResultEntry({ offset: -7 });
    expect(decodeSendResultEntry(entry).offset).toBe(-7);
    const settings = encodeSettings({ requestTimeoutMs: -1_500, clientType: 0 });
    expect(decodeSettings(settings)).toMatchObject({ requestTimeoutMs: -1_500, clientType: 0 });
    const receive = encodeReceiveMessageRequest({ invisibleDurationMs: 0, batchSize: -1 });
    expect(decodeReceiveMessageRequest(receive)).toMatchObject({
      invisibleDurationMs: 0,
      batchSize: -1,
      longPollingTimeoutMs: undefined,
    });
    const queue = encodeMessageQueue({ id: -1, acceptMessageTypes: [1, 2, 6] });
    expect(reference('MessageQueue', queue)).toEqual({ id: -1, acceptMessageTypes: [1, 2, 6] });
  });

  it('pass over fields that they do not know', () => {
    const unknown = Buffer.from([0xa2, 0x06, 2, 1, 2, 0xa8, 0x06, 5, 0xad, 0x06, 1, 2, 3, 4]);
    const message = decodeMessage(Buffer.concat([unknown, encodeMessage({ body: Buffer.of(9) })]));
    expect(message.body).toEqual(Buffer.of(9));
  });

  it('refuse random and cut bytes with BAD_REQUEST and nothing else', () => {
    const whole = encodeMessage({ topic: { name: 'orders' }, body: Buffer.alloc(20) });
    for (let size = 0; size < whole.length; size++) expectOnlyBadRequest(whole.subarray(0, size));
    fc.assert(fc.property(bytes, (random) => expectOnlyBadRequest(random)));
    // The length says four gigabytes.
    const huge = Buffer.from([0x22, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    expect(() => decodeMessage(huge)).toThrow(RmqError);
  });
});

function expectOnlyBadRequest(input: Uint8Array): void {
  try {
    decodeMessage(input);
  } catch (error) {
    expect(error).toMatchObject({ code: 'BAD_REQUEST' });
  }
}
