/** Calls `run` for each item, at most `limit` at a time; rejects with the first failure after those under way ended. */
export async function runLimited<T>(
  items: readonly T[],
  limit: number,
  run: (item: T) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  async function work(): Promise<void> {
    while (next < items.length) {
      const item = items[next] as T;
      next += 1;
      await run(item);
    }
  }
  const results = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, work));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
