// A second HPACK decoder (RFC 7541), written for plainness: lists of strings, Huffman bit by bit. What the product's coder
// writes must mean the same here.
import { Buffer } from "node:buffer";
import { encodeHuffman } from "../../src/proxy/http2/hpack/huffman.ts";
import { STATIC_FIELDS } from "../../src/proxy/http2/hpack/static-lines.ts";

export type ReferenceField = readonly [name: string, value: string];

/** Each symbol by its code, as ones and zeros. The codes themselves are checked against RFC 7541's examples elsewhere. */
const SYMBOLS: ReadonlyMap<string, string> = new Map(
  Array.from({ length: 256 }, (_, byte) => {
    const symbol = String.fromCharCode(byte);
    // Eight of it are a whole number of bytes, so the code is an eighth of that.
    const bits = toBits(encodeHuffman(symbol.repeat(8)));
    return [bits.slice(0, bits.length / 8), symbol] as const;
  }),
);

export class ReferenceDecoder {
  readonly dynamic: ReferenceField[] = [];
  /** Literals of the last block that no hop may index. */
  readonly neverIndexed: string[] = [];
  maxSize: number = 4_096;
  /** The limit that the decoder's side announced. */
  limit: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #at: number = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Throws when the block is no HPACK. */
  decode(block: Uint8Array): ReferenceField[] {
    this.#bytes = block;
    this.#at = 0;
    this.neverIndexed.length = 0;
    const fields: ReferenceField[] = [];
    while (this.#at < block.length) {
      const first = block[this.#at] ?? 0;
      if (first >= 0x80) fields.push(this.#entry(this.#integer(7)));
      else if (first >= 0x40) fields.push(this.#insert(this.#literal(6)));
      else if (first < 0x20) {
        const field = this.#literal(4);
        if (first >= 0x10) this.neverIndexed.push(field[0]);
        fields.push(field);
      } else {
        if (fields.length > 0) throw new Error("a table size behind a field");
        this.maxSize = this.#integer(5);
        if (this.maxSize > this.limit) throw new Error("a table size above the limit");
        this.#evict(this.maxSize);
      }
    }
    return fields;
  }

  #literal(prefix: number): ReferenceField {
    const index = this.#integer(prefix);
    const name = index === 0 ? this.#string() : this.#entry(index)[0];
    return [name, this.#string()];
  }

  #insert(field: ReferenceField): ReferenceField {
    const size = field[0].length + field[1].length + 32;
    this.#evict(Math.max(0, this.maxSize - size));
    if (size <= this.maxSize) this.dynamic.unshift(field);
    return field;
  }

  #evict(size: number): void {
    while (this.dynamic.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0) > size) {
      this.dynamic.pop();
    }
  }

  #entry(index: number): ReferenceField {
    const field = index <= STATIC_FIELDS.length ? STATIC_FIELDS[index - 1] : this.dynamic[index - 62];
    if (index === 0 || field === undefined) throw new Error(`no entry ${index}`);
    return field;
  }

  #integer(prefix: number): number {
    const mask = 2 ** prefix - 1;
    let value = this.#byte() & mask;
    if (value < mask) return value;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (value > 2 ** 28) throw new Error("an integer that is too large");
      if (byte < 0x80) return value;
    }
  }

  #string(): string {
    const huffman = (this.#bytes[this.#at] ?? 0) >= 0x80;
    const length = this.#integer(7);
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    if (bytes.length < length) throw new Error("a string that is cut off");
    this.#at += length;
    return huffman ? decodeBits(toBits(bytes)) : Buffer.from(bytes).toString("latin1");
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new Error("a block that is cut off");
    this.#at += 1;
    return byte;
  }
}

function decodeBits(bits: string): string {
  let text = "";
  let code = "";
  for (const bit of bits) {
    code += bit;
    const symbol = SYMBOLS.get(code);
    if (symbol === undefined) continue;
    text += symbol;
    code = "";
  }
  if (code.length > 7 || code.includes("0")) throw new Error("bad padding");
  return text;
}

function toBits(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("");
}
