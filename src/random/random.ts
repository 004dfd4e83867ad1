/** The only source of randomness in weft. Production uses `systemRandom`; tests use `createSeededRandom(seed)`. */
export interface Random {
  /** A number in [0, 1). Not for secrets. */
  next(): number;
  /** An integer in [0, bound). Not for secrets. */
  below(bound: number): number;
  /** `count` bytes. Fit for secrets in production; repeatable in tests. */
  bytes(count: number): Uint8Array;
}
