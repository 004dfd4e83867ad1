/** What became of the lines of a head: first its fields, then the lines of its additions. */
export interface LineFates {
  readonly kinds: Uint8Array;
  /** Of indexed lines: see `LineIndex.number`. */
  readonly numbers: Float64Array;
  /** Lines, those that are not passed on included. */
  readonly count: number;
}
