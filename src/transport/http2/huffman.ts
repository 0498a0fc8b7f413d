/**
 * The Huffman code of HPACK (RFC 7541 §5.2, appendix B). The code is canonical: within a length the
 * codes follow the order of the symbols, so the lengths alone say all of it.
 */

/** Bits of the code of each byte; the 257th symbol is EOS. RFC 7541 appendix B. */
const codeLengths: readonly number[] = [
  [13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28],
  [28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  [6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6],
  [5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10],
  [13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
  [7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6],
  [15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5],
  [6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28],
  [20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23],
  [24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24],
  [22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23],
  [21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23],
  [26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25],
  [19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27],
  [20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23],
  [26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26],
  [30],
].flat();

const eosSymbol = 256;
const codeLengthMax = 30;
/** Codes up to this length are found by one look-up; longer ones are rare in headers. */
const quickBits = 10;

const codes = new Uint32Array(eosSymbol + 1);
/** For the next `quickBits` bits: symbol * 16 + length of its code; 0 where the code is longer. */
const quick = new Uint16Array(1 << quickBits);
/** The longer codes, as length * 2^30 + code, to their symbols. */
const longCodes = new Map<number, number>();

function makeTables(): void {
  let code = 0;
  for (let length = 1; length <= codeLengthMax; length += 1) {
    for (let symbol = 0; symbol <= eosSymbol; symbol += 1) {
      if (codeLengths[symbol] !== length) continue;
      codes[symbol] = code;
      if (length > quickBits) longCodes.set(length * 2 ** 30 + code, symbol);
      else {
        const begin = code << (quickBits - length);
        quick.fill(symbol * 16 + length, begin, begin + (1 << (quickBits - length)));
      }
      code += 1;
    }
    code *= 2;
  }
}

makeTables();

/** Bytes that `text` (latin1) takes when it is coded. */
export function huffmanSize(text: string): number {
  let bits = 0;
  for (let index = 0; index < text.length; index += 1) {
    bits += codeLengths[text.charCodeAt(index) & 0xff] as number; // 256 entries and EOS
  }
  return (bits + 7) >> 3;
}

/** Writes `text` (latin1) from `at` on; the position behind it. The caller has made room. */
export function huffmanEncode(text: string, out: Buffer, at: number): number {
  // Two numbers, as a code of 30 bits and 7 left over do not fit in 32.
  let held = 0;
  let heldBits = 0;
  for (let index = 0; index < text.length; index += 1) {
    const symbol = text.charCodeAt(index) & 0xff;
    const code = codes[symbol] as number; // 257 entries
    let left = codeLengths[symbol] as number; // 257 entries
    while (left > 0) {
      const taken = Math.min(8 - heldBits, left);
      left -= taken;
      held = (held << taken) | ((code >>> left) & ((1 << taken) - 1));
      heldBits += taken;
      if (heldBits === 8) {
        out[at++] = held;
        held = 0;
        heldBits = 0;
      }
    }
  }
  // The rest is filled with the beginning of EOS, which is all ones.
  if (heldBits > 0) out[at++] = (held << (8 - heldBits)) | (0xff >> heldBits);
  return at;
}

/** Decoded bytes are gathered here; grown to the largest string seen, which the header limit bounds. */
let scratch: Buffer = Buffer.allocUnsafeSlow(4096);

/**
 * The text (latin1) coded in `bytes` between `begin` and `end`; undefined when it is no valid coding:
 * EOS inside, padding of a byte or more, or padding that is not the beginning of EOS.
 */
export function huffmanDecode(bytes: Buffer, begin: number, end: number): string | undefined {
  // The shortest code has five bits.
  const sizeMax = Math.ceil(((end - begin) * 8) / 5);
  if (scratch.length < sizeMax) scratch = Buffer.allocUnsafeSlow(sizeMax * 2);
  let size = 0;
  let held = 0;
  let heldBits = 0;
  for (let at = begin; at < end; at += 1) {
    held = ((held << 8) | (bytes[at] as number)) & 0x3ffff; // at most 17 bits wait
    heldBits += 8;
    while (heldBits >= quickBits) {
      const found = quick[(held >>> (heldBits - quickBits)) & ((1 << quickBits) - 1)] as number;
      if (found === 0) return decodeRest(bytes, at, end, size, held, heldBits);
      scratch[size++] = found >> 4;
      heldBits -= found & 15;
    }
  }
  // What is left is shorter than a look-up: filled up with ones it shows whole symbols first.
  while (heldBits > 0) {
    const filled = ((held << quickBits) | 0x3ff) >>> heldBits;
    const found = quick[filled & ((1 << quickBits) - 1)] as number;
    const length = found & 15;
    if (found === 0 || length > heldBits) break;
    scratch[size++] = found >> 4;
    heldBits -= length;
  }
  const ones = (1 << heldBits) - 1;
  return heldBits > 7 || (held & ones) !== ones ? undefined : scratch.toString('latin1', 0, size);
}

/** Goes on bit by bit from the first long code: `heldBits` of `held` and what follows `at`. */
function decodeRest(
  bytes: Buffer,
  at: number,
  end: number,
  size: number,
  held: number,
  heldBits: number,
): string | undefined {
  let code = 0;
  let length = 0;
  let bitsLeft = heldBits + (end - at - 1) * 8;
  let areOnes = true;
  for (; bitsLeft > 0; bitsLeft -= 1) {
    const behind = bitsLeft - 1;
    const ahead = (end - at - 1) * 8;
    const bit =
      behind >= ahead
        ? (held >>> (behind - ahead)) & 1
        : ((bytes[end - 1 - (behind >> 3)] as number) >> (behind & 7)) & 1;
    code = code * 2 + bit;
    length += 1;
    areOnes &&= bit === 1;
    const symbol =
      length <= quickBits ? quickSymbol(code, length) : longCodes.get(length * 2 ** 30 + code);
    if (symbol === undefined) {
      if (length >= codeLengthMax) return undefined;
      continue;
    }
    if (symbol === eosSymbol) return undefined;
    scratch[size++] = symbol;
    code = 0;
    length = 0;
    areOnes = true;
  }
  return length > 7 || !areOnes ? undefined : scratch.toString('latin1', 0, size);
}

function quickSymbol(code: number, length: number): number | undefined {
  const found = quick[code << (quickBits - length)] as number;
  return found !== 0 && (found & 15) === length ? found >> 4 : undefined;
}
