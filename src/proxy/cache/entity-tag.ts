const TAG = /(?:^|,)[ \t]*((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?=,|$)/g;
const ONE_TAG = /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;

/** True for `"x"` and `W/"x"` (RFC 9110 §8.8.3). */
export function isEntityTag(text: string): boolean {
  return ONE_TAG.test(text);
}

/** Weak comparison (RFC 9110 §8.8.3.2): the same opaque part, whether weak or not. */
export function isWeaklyEqual(a: string, b: string): boolean {
  return opaquePart(a) === opaquePart(b);
}

/** True when `list`, the value of If-None-Match, is `*` or names `tag` by weak comparison (RFC 9110 §13.1.2). */
export function isListed(list: string, tag: string | null): boolean {
  if (list.trim() === "*") return true;
  if (tag === null) return false;
  TAG.lastIndex = 0;
  for (let match = TAG.exec(list); match !== null; match = TAG.exec(list)) {
    if (isWeaklyEqual(match[1] ?? "", tag)) return true;
  }
  return false;
}

function opaquePart(tag: string): string {
  return tag.startsWith("W/") ? tag.slice(2) : tag;
}
