/** A 31-bit hash of short text, the same in every process: proxies must agree on where a key goes. */
export function hashText(text: string, seed: number = 0): number {
  let hash = (0x811c9dc5 ^ seed) | 0;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mixHash(hash ^ text.length);
}

/** One more than the largest hash. */
export const HASH_END = 0x8000_0000;

/**
 * Spreads every bit of `hash` over all others: MurmurHash3's last steps. 0 to 2^31 - 1: engines keep numbers of that size
 * in a register, and larger ones in memory that has to be allocated.
 */
export function mixHash(hash: number): number {
  let mixed = hash | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 1;
}
