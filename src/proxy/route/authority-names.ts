// hot
import { normaliseAuthority } from "./find-route.ts";

const SLOTS = 512;
/** Longer ones are read each time. */
const MAX_REMEMBERED_BYTES = 255;
const STRIDE = MAX_REMEMBERED_BYTES + 1;

/**
 * Authorities as routing compares them, found by the bytes of the Host field, so that one that was seen lately costs no
 * string. Each has one place, where a newcomer takes over from it: bounded, and nobody can fill it for good.
 */
export class AuthorityNames {
  /** Per slot: length, then the bytes as they were written. */
  readonly #written: Uint8Array = new Uint8Array(SLOTS * STRIDE);
  readonly #names: string[] = Array.from({ length: SLOTS }, () => "");
  readonly #texts: Map<string, string> = new Map();

  find(bytes: Uint8Array, start: number, end: number): string {
    const length = end - start;
    if (length === 0) return "";
    if (length > MAX_REMEMBERED_BYTES) return read(bytes, start, end);
    const slot = slotOf(bytes, start, end);
    const base = slot * STRIDE;
    const written = this.#written;
    let same = written[base] === length;
    for (let index = 0; same && index < length; index += 1) same = written[base + 1 + index] === bytes[start + index];
    if (same) return this.#names[slot] as string; // a slot with a length has a name
    const name = read(bytes, start, end);
    written[base] = length;
    for (let index = 0; index < length; index += 1) written[base + 1 + index] = bytes[start + index] as number;
    this.#names[slot] = name;
    return name;
  }

  /** The same for a text that is asked for again and again, as that of a connection is. */
  findText(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    if (this.#texts.size >= SLOTS) this.#texts.clear();
    const name = normaliseAuthority(text);
    this.#texts.set(text, name);
    return name;
  }
}

/** Names of one mesh differ anywhere, and their ports at the end. */
function slotOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  for (let at = start; at < end; at += 1) hash = (Math.imul(hash, 31) + (bytes[at] as number)) | 0;
  return (hash ^ (hash >>> 15)) & (SLOTS - 1);
}

function read(bytes: Uint8Array, start: number, end: number): string {
  return normaliseAuthority(Buffer.prototype.latin1Slice.call(bytes, start, end));
}
