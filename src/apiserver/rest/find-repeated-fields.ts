/** Where a scan is: inside an object, with the names it had so far, or inside a list, with its position. */
interface Level {
  readonly names: Set<string> | null;
  name: string;
  position: number;
}

/** More would only make the answer longer. */
const MAX_REPEATS = 10;

/**
 * Paths of fields that stand more than once in their object, which JSON.parse passes over (the last one counts). `text`
 * must be JSON that was parsed already. At most ten.
 */
export function findRepeatedFields(text: string): readonly string[] {
  const repeats: string[] = [];
  const levels: Level[] = [];
  // Nothing but strings and brackets matters: numbers, words and spaces between them are passed over.
  for (const match of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|[{}[\],]/g)) {
    const [token, colon] = match;
    const level = levels.at(-1);
    if (token === "{") levels.push({ names: new Set(), name: "", position: 0 });
    else if (token === "[") levels.push({ names: null, name: "", position: 0 });
    else if (token === "}" || token === "]") levels.pop();
    else if (token === ",") {
      if (level !== undefined) level.position += 1;
    } else if (colon !== undefined && level !== undefined && level.names !== null) {
      level.name = JSON.parse(token.slice(0, -colon.length)) as string;
      if (level.names.has(level.name) && repeats.length < MAX_REPEATS) repeats.push(formatPath(levels));
      level.names.add(level.name);
    }
  }
  return repeats;
}

function formatPath(levels: readonly Level[]): string {
  let path = "";
  for (const { names, name, position } of levels) {
    if (names === null) path += `[${position}]`;
    else path += path === "" ? name : `.${name}`;
  }
  return path;
}
