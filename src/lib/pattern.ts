/** A compiled RE2 pattern: matching takes time linear in the input, whatever the pattern. */
export interface CompiledPattern {
  readonly source: string;
  /** True when the whole of `text` matches. */
  matchesAll(text: string): boolean;
}
