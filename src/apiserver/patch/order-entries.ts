export interface EntryOrder {
  /** The entries (or only their keys) that the patch names, in its order. */
  readonly wanted: readonly unknown[];
  /** The list as it was. */
  readonly before: readonly unknown[];
  readonly keyOf: (entry: unknown) => string;
}

/**
 * `entries` with those of `wanted` in that order. Each other entry stands before the first wanted one that it used to
 * precede; so an entry that is new goes before those the patch does not name, as in Kubernetes.
 */
export function orderEntries(entries: readonly unknown[], { wanted, before, keyOf }: EntryOrder): unknown[] {
  const ranks = rank(wanted, keyOf);
  const places = rank(before, keyOf);
  const named: unknown[] = [];
  const others: unknown[] = [];
  for (const entry of entries) (ranks.has(keyOf(entry)) ? named : others).push(entry);
  const rankOf = (entry: unknown): number => ranks.get(keyOf(entry)) ?? 0;
  const placeOf = (entry: unknown): number => places.get(keyOf(entry)) ?? -1;
  named.sort((a, b) => rankOf(a) - rankOf(b));
  others.sort((a, b) => placeOf(a) - placeOf(b));
  const ordered: unknown[] = [];
  let next = 0;
  for (const entry of named) {
    const place = placeOf(entry);
    while (next < others.length && placeOf(others[next]) < place) {
      ordered.push(others[next]);
      next += 1;
    }
    ordered.push(entry);
  }
  return [...ordered, ...others.slice(next)];
}

/** First come, first ranked. */
function rank(entries: readonly unknown[], keyOf: (entry: unknown) => string): Map<string, number> {
  const ranks = new Map<string, number>();
  for (const [index, entry] of entries.entries()) {
    const key = keyOf(entry);
    if (!ranks.has(key)) ranks.set(key, index);
  }
  return ranks;
}
