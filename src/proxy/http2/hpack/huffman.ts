// hot
import { Buffer } from "node:buffer";

/** RFC 7541 appendix B: bits of each symbol's code. The code is canonical, so the lengths are all there is to it. */
const CODE_BITS: Uint8Array = Uint8Array.from(
  [
    "13 23 28 28 28 28 28 28 28 24 30 28 28 30 28 28 28 28 28 28 28 28 30 28 28 28 28 28 28 28 28 28",
    "6 10 10 12 13 6 8 11 10 10 8 11 8 6 6 6 5 5 5 6 6 6 6 6 6 6 7 8 15 6 12 10",
    "13 6 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 8 7 8 13 19 13 14 6",
    "15 5 6 5 6 5 6 6 6 5 7 7 6 6 6 5 6 7 6 5 5 6 7 7 7 7 7 15 11 14 13 28",
    "20 22 20 20 22 22 22 23 22 23 23 23 23 23 24 23 24 24 22 23 24 23 23 23 23 21 22 23 22 23 23 24",
    "22 21 20 22 22 23 23 21 23 22 22 24 21 22 23 23 21 21 22 21 23 22 23 23 20 22 22 22 23 22 22 23",
    "26 26 20 19 22 23 22 25 26 26 26 27 27 26 24 25 19 21 26 27 27 26 27 24 21 21 26 26 28 27 27 27",
    "20 24 20 21 22 21 21 23 22 22 25 25 24 24 26 23 26 27 26 26 27 27 27 27 27 28 27 27 27 27 27 26",
  ].flatMap((line) => line.split(" ").map(Number)),
);

const MAX_BITS = 30;
/** Bits looked up at once. */
const STEP_BITS = 12;
const STEP_MASK = 0xfff;

/**
 * For every twelve bits: the first symbol, the second symbol << 8, their number << 16, the bits of both << 18 and the bits
 * of the first << 22. Number 0: the code is longer than twelve bits.
 */
const STEPS: Uint32Array = new Uint32Array(1 << STEP_BITS);
// Per length of code: its smallest code, how many there are, and where their symbols are in SYMBOLS.
const FIRST_CODE: Int32Array = new Int32Array(MAX_BITS + 1);
const CODE_COUNT: Int32Array = new Int32Array(MAX_BITS + 1);
const SYMBOL_AT: Int32Array = new Int32Array(MAX_BITS + 1);
const SYMBOLS: Uint8Array = new Uint8Array(256);

buildTables();

/** The most bytes that `length` Huffman-coded bytes can decode to (the shortest code has five bits). */
export function huffmanBound(length: number): number {
  return ((length * 8) / 5 + 1) | 0;
}

/**
 * Decodes into `out` at `offset`, which has room for `huffmanBound` bytes, and returns the end; -1 when the code is wrong:
 * EOS, more than seven bits of padding, or padding that is not all ones (RFC 7541 section 5.2).
 */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number, out: Uint8Array, offset: number): number {
  let at = start;
  let to = offset;
  /** Bits not decoded yet are the lowest `count` bits. Never more than 30. */
  let bits = 0;
  let count = 0;
  for (;;) {
    while (count <= 22 && at < end) {
      bits = ((bits & 0x3fffff) << 8) | (bytes[at++] as number); // `at` is below `end`
      count += 8;
    }
    if (count < STEP_BITS) break;
    const step = STEPS[(bits >>> (count - STEP_BITS)) & STEP_MASK] as number; // twelve bits
    if (step !== 0) {
      out[to] = step & 0xff;
      out[to + 1] = (step >>> 8) & 0xff; // overwritten by the next when there is one symbol only
      to += (step >>> 16) & 3;
      count -= (step >>> 18) & 15;
      continue;
    }
    // A long code, bit by bit: control characters, non-ASCII and a few signs.
    let length = STEP_BITS;
    count -= STEP_BITS;
    let code = (bits >>> count) & STEP_MASK;
    for (;;) {
      if (count === 0) {
        if (at === end) return -1;
        bits = bytes[at++] as number;
        count = 8;
      }
      count -= 1;
      code = (code << 1) | ((bits >>> count) & 1);
      length += 1;
      const index = code - (FIRST_CODE[length] as number); // length is at most MAX_BITS
      if (index < (CODE_COUNT[length] as number)) {
        out[to++] = SYMBOLS[(SYMBOL_AT[length] as number) + index] as number;
        break;
      }
      if (length === MAX_BITS) return -1; // EOS
    }
  }
  // Fewer than twelve bits are left: what follows them is taken for padding.
  for (;;) {
    const padded = ((bits << (STEP_BITS - count)) | (STEP_MASK >>> count)) & STEP_MASK;
    const step = STEPS[padded] as number;
    const first = (step >>> 22) & 15;
    if (step === 0 || first > count) break;
    out[to++] = step & 0xff;
    count -= first;
  }
  const rest = (1 << count) - 1;
  return count < 8 && (bits & rest) === rest ? to : -1;
}

/** Huffman-codes `text` (Latin-1). For tests and tools: weft's encoder sends strings as they are. */
export function encodeHuffman(text: string): Uint8Array {
  let code = "";
  for (const byte of Buffer.from(text, "latin1")) {
    const bits = CODE_BITS[byte] as number; // 256 entries
    const rank = SYMBOLS.subarray(SYMBOL_AT[bits], (SYMBOL_AT[bits] as number) + (CODE_COUNT[bits] as number));
    code += ((FIRST_CODE[bits] as number) + rank.indexOf(byte)).toString(2).padStart(bits, "0");
  }
  code = code.padEnd(Math.ceil(code.length / 8) * 8, "1");
  return Uint8Array.from({ length: code.length / 8 }, (_, index) =>
    Number.parseInt(code.slice(index * 8, index * 8 + 8), 2),
  );
}

function buildTables(): void {
  let code = 0;
  let symbols = 0;
  for (let bits = 1; bits <= MAX_BITS; bits += 1) {
    code <<= 1;
    FIRST_CODE[bits] = code;
    SYMBOL_AT[bits] = symbols;
    for (let symbol = 0; symbol < 256; symbol += 1) {
      if (CODE_BITS[symbol] !== bits) continue;
      SYMBOLS[symbols++] = symbol;
      code += 1;
    }
    CODE_COUNT[bits] = symbols - (SYMBOL_AT[bits] as number);
  }
  for (let value = 0; value <= STEP_MASK; value += 1) {
    const first = symbolAt(value, STEP_BITS);
    if (first < 0) continue;
    const firstBits = CODE_BITS[first] as number;
    const second = symbolAt(value, STEP_BITS - firstBits);
    const both = second < 0 ? firstBits : firstBits + (CODE_BITS[second] as number);
    STEPS[value] = first | (Math.max(second, 0) << 8) | ((second < 0 ? 1 : 2) << 16) | (both << 18) | (firstBits << 22);
  }
}

/** The symbol whose code is at the front of the lowest `count` bits of `value`; -1 when none is complete. */
function symbolAt(value: number, count: number): number {
  for (let bits = 1; bits <= count; bits += 1) {
    const index = ((value >>> (count - bits)) & ((1 << bits) - 1)) - (FIRST_CODE[bits] as number);
    if (index >= 0 && index < (CODE_COUNT[bits] as number))
      return SYMBOLS[(SYMBOL_AT[bits] as number) + index] as number;
  }
  return -1;
}
