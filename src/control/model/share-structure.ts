/**
 * Returns `previous` where it means the same as `next`, else `next` with every part replaced by the equal part of
 * `previous`. So an unchanged part keeps its identity and whoever caches by identity has nothing to do. For trees of
 * plain objects, arrays, Maps with string keys and primitive values; `next` must be fresh: its parts are replaced in
 * place.
 */
export function shareStructure<T>(previous: unknown, next: T): T {
  if (Object.is(previous, next)) return next;
  if (typeof next !== "object" || next === null || typeof previous !== "object" || previous === null) return next;
  if (next instanceof Map) return previous instanceof Map ? (shareMap(previous, next) as T) : next;
  if (Array.isArray(next)) return Array.isArray(previous) ? (shareArray(previous, next) as T) : next;
  if (previous instanceof Map || Array.isArray(previous)) return next;
  return shareObject(previous as Fields, next as Fields) as T;
}

type Fields = Record<string, unknown>;

function shareMap(previous: Map<unknown, unknown>, next: Map<unknown, unknown>): Map<unknown, unknown> {
  let same = previous.size === next.size;
  for (const [key, value] of next) {
    const old = previous.get(key);
    const shared = shareStructure(old, value);
    if (shared !== value) next.set(key, shared);
    if (shared !== old) same = false;
  }
  return same ? previous : next;
}

function shareArray(previous: readonly unknown[], next: unknown[]): readonly unknown[] {
  let same = previous.length === next.length;
  for (let i = 0; i < next.length; i += 1) {
    const value = next[i];
    const shared = shareStructure(previous[i], value);
    if (shared !== value) next[i] = shared;
    if (shared !== previous[i]) same = false;
  }
  return same ? previous : next;
}

function shareObject(previous: Fields, next: Fields): Fields {
  const keys = Object.keys(next);
  let same = Object.keys(previous).length === keys.length;
  for (const key of keys) {
    const value = next[key];
    const shared = shareStructure(previous[key], value);
    if (shared !== value) next[key] = shared;
    if (shared !== previous[key] || !Object.hasOwn(previous, key)) same = false;
  }
  return same ? previous : next;
}
