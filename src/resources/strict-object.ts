import { z } from "zod";

/**
 * The shape a schema must have to produce exactly `T`: every field of the interface, no other, and the optional ones
 * (only those) optional. Exported declarations cannot be inferred here (`isolatedDeclarations`), so the interface and
 * its schema stand side by side and the compiler refuses any difference between them.
 */
export type ShapeOf<T> = {
  readonly [K in keyof T as string extends K ? never : K]-?: {} extends Pick<T, K>
    ? z.ZodExactOptional<z.core.$ZodType<Required<Pick<T, K>>[K]>>
    : z.ZodType<T[K]>;
};

/** Rides on the issue of an unknown field, for `describeKnownFields`. */
export interface UnknownFieldParams {
  readonly knownFields: readonly string[];
}

/**
 * An object in which unknown fields are errors, one issue for each. The message of every issue is what was *expected*:
 * schema problems are printed as "found …; expected …" (see `schema-problems.ts`).
 */
export function strictObject<T>(shape: ShapeOf<T>): z.ZodType<T> {
  const params: UnknownFieldParams = { knownFields: Object.keys(shape) };
  const unknownField = z.unknown().refine(() => false, { params: { ...params } });
  const schema = z.object(shape as unknown as z.core.$ZodShape, "an object").catchall(unknownField);
  return schema as unknown as z.ZodType<T>;
}

/** What to write instead of `unknown`: the field it looks like, else all there are. */
export function describeKnownFields(unknown: string, knownFields: readonly string[]): string {
  const guess = closest(unknown, knownFields);
  if (guess !== null) return `\`${guess}\``;
  if (knownFields.length === 0) return "no fields";
  return `one of ${[...knownFields].sort().join(", ")}`;
}

/** The field a typing error most likely meant: at most two edits away, and at most a third of its letters. */
function closest(word: string, candidates: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = 3;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance && distance * 3 <= candidate.length) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Edits: insert, delete, replace, swap neighbours. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3;
  const rows: number[][] = [];
  for (let i = 0; i <= a.length; i += 1) {
    const row: number[] = [i];
    for (let j = 1; j <= b.length; j += 1) {
      if (i === 0) {
        row.push(j);
        continue;
      }
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min((rows[i - 1]?.[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (rows[i - 1]?.[j - 1] ?? 0) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (rows[i - 2]?.[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? 3;
}
