/** HPACK against the examples of RFC 7541, appendix C, and against itself. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HeaderField } from '../../../../src/transport/http2/header-field.ts';
import { HpackDecoder } from '../../../../src/transport/http2/hpack-decoder.ts';
import {
  HeaderList,
  HpackEncoder,
  type OutgoingHeader,
} from '../../../../src/transport/http2/hpack-encoder.ts';
import { ConnectionError } from '../../../../src/transport/http2/http2-error.ts';
import {
  huffmanDecode,
  huffmanEncode,
  huffmanSize,
} from '../../../../src/transport/http2/huffman.ts';

const listMax = 1 << 20;

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
}

function decode(decoder: HpackDecoder, block: Buffer, max = listMax): HeaderField[] | undefined {
  return decoder.decode(block, 0, block.length, max);
}

function pairs(fields: readonly HeaderField[] | undefined): string[] | undefined {
  return fields?.map(({ name, value }) => `${name}: ${value}`);
}

const requests = [
  [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'],
  [
    ':method: GET',
    ':scheme: http',
    ':path: /',
    ':authority: www.example.com',
    'cache-control: no-cache',
  ],
  [
    ':method: GET',
    ':scheme: https',
    ':path: /index.html',
    ':authority: www.example.com',
    'custom-key: custom-value',
  ],
];
const responses = [
  [
    ':status: 302',
    'cache-control: private',
    'date: Mon, 21 Oct 2013 20:13:21 GMT',
    'location: https://www.example.com',
  ],
  [
    ':status: 307',
    'cache-control: private',
    'date: Mon, 21 Oct 2013 20:13:21 GMT',
    'location: https://www.example.com',
  ],
  [
    ':status: 200',
    'cache-control: private',
    'date: Mon, 21 Oct 2013 20:13:22 GMT',
    'location: https://www.example.com',
    'content-encoding: gzip',
    'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
  ],
];

describe('the examples of RFC 7541', () => {
  it.each([
    [
      'C.2.1',
      '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
      'custom-key: custom-header',
    ],
    ['C.2.2', '040c 2f73 616d 706c 652f 7061 7468', ':path: /sample/path'],
    ['C.2.3', '1008 7061 7373 776f 7264 0673 6563 7265 74', 'password: secret'],
    ['C.2.4', '82', ':method: GET'],
  ])('%s: a field', (_section, bytes, expected) => {
    expect(pairs(decode(new HpackDecoder(4096), hex(bytes)))).toEqual([expected]);
  });

  it('C.3: requests without Huffman coding', () => {
    const decoder = new HpackDecoder(4096);
    const blocks = [
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ];
    expect(blocks.map((block) => pairs(decode(decoder, hex(block))))).toEqual(requests);
  });

  it('C.4: requests with Huffman coding', () => {
    const decoder = new HpackDecoder(4096);
    const blocks = [
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ];
    expect(blocks.map((block) => pairs(decode(decoder, hex(block))))).toEqual(requests);
  });

  it('C.5: responses that push each other out of a table of 256 bytes', () => {
    const decoder = new HpackDecoder(256);
    const blocks = [
      `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a
       3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
      '4803 3330 37c1 c0bf',
      `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04
       677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49
       553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`,
    ];
    expect(blocks.map((block) => pairs(decode(decoder, hex(block))))).toEqual(responses);
  });

  it('C.6: the same with Huffman coding', () => {
    const decoder = new HpackDecoder(256);
    const blocks = [
      `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e
       919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
      '4883 640e ffc1 c0bf',
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7
       821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed
       4ee5 b106 3d50 07`,
    ];
    expect(blocks.map((block) => pairs(decode(decoder, hex(block))))).toEqual(responses);
  });
});

describe('Huffman coding', () => {
  it('codes as RFC 7541 does', () => {
    const out = Buffer.alloc(64);
    const end = huffmanEncode('www.example.com', out, 0);
    expect(out.subarray(0, end).toString('hex')).toBe('f1e3c2e5f23a6ba0ab90f4ff');
  });

  it('gives back every byte string', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const text = Buffer.from(bytes).toString('latin1');
        const out = Buffer.alloc(huffmanSize(text));
        expect(huffmanEncode(text, out, 0)).toBe(out.length);
        expect(huffmanDecode(out, 0, out.length)).toBe(text);
      }),
    );
  });

  it.each([
    ['a byte of padding', 'f1e3c2e5f23a6ba0ab90f4ffff'],
    ['padding of zeros', '18'],
    ['EOS', 'ffffffff'],
    ['EOS behind a letter', '1fffffffff'],
  ])('refuses %s', (_what, bytes) => {
    const coded = hex(bytes);
    expect(huffmanDecode(coded, 0, coded.length)).toBeUndefined();
  });

  it('what it accepts is what the encoder would have written', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const coded = Buffer.from(bytes);
        const text = huffmanDecode(coded, 0, coded.length);
        if (text === undefined) return;
        const again = Buffer.alloc(huffmanSize(text));
        huffmanEncode(text, again, 0);
        expect(again).toEqual(coded);
      }),
      { numRuns: 1_000 },
    );
  });
});

const header = fc.record<OutgoingHeader>({
  name: fc.oneof(
    fc.constantFrom(':status', 'content-type', 'grpc-status', 'x-a', 'date'),
    fc.stringMatching(/^[a-z0-9-]{1,20}$/),
  ),
  value: fc.oneof(
    fc.constantFrom('', '0', '200', 'application/grpc'),
    fc.stringMatching(/^[ -~]{0,60}$/),
  ),
  use: fc.constantFrom('repeats', 'once', 'secret'),
});

describe('encoder and decoder', () => {
  it('agree on any lists, with any changes of the table in between', () => {
    const step = fc.oneof(
      fc.record({ headers: fc.array(header, { maxLength: 8 }), isConstant: fc.boolean() }),
      fc.nat(6_000),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const encoder = new HpackEncoder();
        const decoder = new HpackDecoder(6_000);
        for (const one of steps) {
          if (typeof one === 'number') {
            encoder.resize(one);
            continue;
          }
          const list = new HeaderList(one.headers, one.isConstant);
          const expected = one.headers.map(({ name, value }) => `${name}: ${value}`);
          // Thrice: the table fills with the first, the second is kept where it is constant.
          for (let round = 0; round < 3; round += 1) {
            expect(pairs(decode(decoder, encoder.block(list)))).toEqual(expected);
          }
        }
      }),
    );
  });

  it('marks secrets as never indexed, and the constant list becomes a byte a header', () => {
    const encoder = new HpackEncoder();
    const secret = new HeaderList([{ name: 'x-key', value: 'k', use: 'secret' }], false);
    expect((encoder.block(secret)[0] as number) & 0xf0).toBe(0x10);
    const answer = new HeaderList(
      [
        { name: ':status', value: '200', use: 'repeats' },
        { name: 'content-type', value: 'application/grpc', use: 'repeats' },
      ],
      true,
    );
    encoder.block(answer);
    expect(encoder.block(answer).toString('hex')).toBe('88be');
  });
});

describe('the decoder', () => {
  it.each([
    ['index 0', '80'],
    ['an index nobody has', 'be'],
    ['a size above the limit', '3fe21f'],
    ['a change of size behind a field', '8220'],
    ['an integer without an end', 'ffffffffffffffffff'],
    ['an integer cut short', 'ff'],
    ['a string beyond the block', '4003616263047a'],
    ['a name without a value', '4003616263'],
  ])('refuses %s', (_what, bytes) => {
    expect(() => decode(new HpackDecoder(4096), hex(bytes))).toThrow(ConnectionError);
  });

  it('keeps its table right when a list is too large, and keeps nothing of the list', () => {
    const decoder = new HpackDecoder(4096);
    // A large header into the table, then a bomb of references to it.
    const value = 'v'.repeat(3_000);
    const first = Buffer.concat([hex('40016b 7f b916'), Buffer.from(value)]);
    expect(decode(decoder, first)?.[0]?.value).toBe(value);
    expect(decode(decoder, Buffer.alloc(60_000, 0xbe), 32 * 1024)).toBeUndefined();
    expect(decode(decoder, hex('be'))?.[0]?.name).toBe('k');
  });

  it('answers any bytes with fields or a ConnectionError', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 5 }), (blocks) => {
        const decoder = new HpackDecoder(4096);
        try {
          for (const block of blocks) decode(decoder, Buffer.from(block));
        } catch (error) {
          expect(error).toBeInstanceOf(ConnectionError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
