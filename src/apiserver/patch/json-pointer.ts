/** RFC 6901: the unescaped reference tokens; [] = the whole document. Null when `text` is not a pointer. */
export function parsePointer(text: string): readonly string[] | null {
  if (text === "") return [];
  if (!text.startsWith("/") || /~(?![01])/.test(text)) return null;
  return text
    .slice(1)
    .split("/")
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** Null when `token` is no index: RFC 6901 allows no leading zero, sign or "-" here. */
export function parseIndex(token: string): number | null {
  return /^(?:0|[1-9]\d{0,9})$/.test(token) ? Number(token) : null;
}
