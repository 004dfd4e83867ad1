import { z } from "zod";

/** Bounds what one match may cost a proxy. */
const MAX_HEADERS = 64;
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/;

/**
 * Regular expressions by header name: one object, or a list of objects with one header each (SMI's text says the one, its
 * tools write the other). Stored as it was written, so that applying the same file again changes nothing.
 */
export type HeaderPatterns = Readonly<Record<string, string>> | readonly Readonly<Record<string, string>>[];

/** What either form says: expressions by lower-case name. */
export function readHeaderPatterns(written: HeaderPatterns): ReadonlyMap<string, string> {
  const objects: readonly Readonly<Record<string, string>>[] = Array.isArray(written) ? written : [written];
  return new Map(
    objects.flatMap((object) => Object.entries(object).map(([name, regex]) => [name.toLowerCase(), regex] as const)),
  );
}

/** Checks either form; left out or null = {}. `regex` is for the expressions. */
export function createHeaderPatternsSchema(regex: z.ZodType<string>): z.ZodType<HeaderPatterns> {
  return z
    .preprocess((value) => value ?? {}, z.unknown())
    .transform((value, context) => {
      const seen = new Set<string>();
      for (const { name, pattern, path } of listHeaders(value, context)) {
        if (!HEADER_NAME.test(name)) {
          context.addIssue({ code: "custom", path, message: `a header name, which ${JSON.stringify(name)} is not` });
          continue;
        }
        if (seen.has(name.toLowerCase())) {
          context.addIssue({
            code: "custom",
            path,
            message: "each header once: all conditions must hold, so a second one would be lost",
          });
          continue;
        }
        seen.add(name.toLowerCase());
        for (const issue of regex.safeParse(pattern).error?.issues ?? [])
          context.addIssue({ code: "custom", path, message: issue.message });
      }
      if (seen.size > MAX_HEADERS) {
        context.addIssue({ code: "custom", message: `at most ${MAX_HEADERS} headers` });
      }
      return value as HeaderPatterns;
    });
}

interface WrittenHeader {
  readonly name: string;
  readonly pattern: unknown;
  readonly path: PropertyKey[];
}

function listHeaders(value: unknown, context: z.RefinementCtx): WrittenHeader[] {
  if (!Array.isArray(value)) return listFields(value, [], context);
  const all: WrittenHeader[] = [];
  for (const [index, item] of value.entries()) {
    const fields = listFields(item, [index], context);
    if (fields.length > 1) {
      context.addIssue({ code: "custom", path: [index], message: "one header in each entry of the list" });
    }
    all.push(...fields);
  }
  return all;
}

function listFields(value: unknown, path: PropertyKey[], context: z.RefinementCtx): WrittenHeader[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    context.addIssue({ code: "custom", path, message: "an object of header names and regular expressions" });
    return [];
  }
  return Object.entries(value).map(([name, pattern]) => ({ name, pattern, path: [...path, name] }));
}
