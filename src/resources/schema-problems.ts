import type { z } from "zod";
import type { Problem } from "./problem.ts";
import { describeKnownFields, type UnknownFieldParams } from "./strict-object.ts";

/** 1-based; both 0 when there is no position. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Finds a path of a document; the position of what encloses it when it is not there. */
export type Locate = (path: readonly PropertyKey[], part: "key" | "value") => Position;

export interface SchemaSource {
  /** Dotted paths; what was found there and below is not said. */
  readonly secretFields?: readonly string[];
  /** What problems name as their file. */
  readonly file: string;
  /** Left out: no positions. */
  readonly locate?: Locate;
  /** Where `input` stands inside the document, e.g. ["items", 3]. Default: it is the document. */
  readonly basePath?: readonly PropertyKey[];
}

export interface SchemaResult<T> {
  /** Null when there is a problem. */
  readonly value: T | null;
  readonly problems: readonly Problem[];
}

/** `params` of a check whose value may be a secret: what was found is not said. */
export const HIDDEN_VALUE: Record<string, unknown> = { isHidden: true };

const MAX_SHOWN_LENGTH = 60;

/**
 * Checks `input` against a schema whose messages say what is expected (as `strictObject` and every schema of
 * `resources/` does) and returns the value with its defaults, or every problem, ordered by position.
 */
export function checkSchema<T>(schema: z.ZodType<T>, input: unknown, source: SchemaSource): SchemaResult<T> {
  const result = schema.safeParse(input, { error: describeExpected });
  if (result.success) return { value: result.data, problems: [] };
  const problems = result.error.issues.flatMap((issue) => toProblems(issue, input, source));
  return { value: null, problems: sortProblems(problems) };
}

/** By line, then column. */
export function sortProblems(problems: readonly Problem[]): readonly Problem[] {
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
}

export interface ProblemOptions extends SchemaSource {
  /** Default "error". */
  readonly severity?: Problem["severity"];
  /** Default "value". */
  readonly part?: "key" | "value";
}

/** A problem at `path` of the object that `options` describes. */
export function createProblem(
  path: readonly PropertyKey[],
  text: { readonly found: string; readonly expected: string },
  options: ProblemOptions,
): Problem {
  const whole = [...(options.basePath ?? []), ...path];
  const position = options.locate?.(whole, options.part ?? "value") ?? { line: 0, column: 0 };
  return {
    severity: options.severity ?? "error",
    file: options.file,
    ...position,
    path: formatPath(whole),
    ...text,
  };
}

/** `spec.backends[1].weight`, `metadata.labels["app.kubernetes.io/name"]`. */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(String(part))) text += text === "" ? String(part) : `.${String(part)}`;
    else text += `[${JSON.stringify(String(part))}]`;
  }
  return text;
}

/** A value as a person would say it, at most some 60 characters. */
export function describeFound(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object" && value !== null)
    return Object.keys(value).length === 0 ? "an empty object" : "an object";
  if (typeof value !== "string") return String(value);
  const shown = value.length > MAX_SHOWN_LENGTH ? `${value.slice(0, MAX_SHOWN_LENGTH)}…` : value;
  return JSON.stringify(shown);
}

function toProblems(issue: z.core.$ZodIssue, input: unknown, source: SchemaSource): Problem[] {
  const at = (
    path: readonly PropertyKey[],
    found: string,
    expected: string,
    part: "key" | "value" = "value",
  ): Problem => createProblem(path, { found, expected }, { ...source, part });
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => unknownField([...issue.path, key], null, source));
  }
  const knownFields = knownFieldsOf(issue);
  if (knownFields !== null) return [unknownField(issue.path, knownFields, source)];
  if (issue.code === "invalid_key") {
    const key = String(issue.path.at(-1));
    return [at(issue.path, `key ${JSON.stringify(key)}`, issue.issues[0]?.message ?? issue.message, "key")];
  }
  if (issue.code === "invalid_union") {
    const branch = chooseBranch(issue.errors);
    if (branch !== null) {
      return branch.flatMap((inner) => toProblems({ ...inner, path: [...issue.path, ...inner.path] }, input, source));
    }
  }
  const isHidden = issue.code === "custom" && issue.params?.["isHidden"] === true;
  if (isHidden || isBelow(issue.path, source.secretFields ?? [])) {
    return [at(issue.path, valueAt(input, issue.path) === undefined ? "nothing" : "something else", issue.message)];
  }
  const value = valueAt(input, issue.path);
  const wrongType = issue.code === "invalid_type" && typeof value === "string";
  return [at(issue.path, wrongType ? `${describeFound(value)} (string)` : describeFound(value), issue.message)];
}

function isBelow(path: readonly PropertyKey[], fields: readonly string[]): boolean {
  return fields.some((field) => field.split(".").every((step, index) => path[index] === step));
}

/** The one alternative whose type was right and which is wrong further inside; null when that is not one. */
function chooseBranch(branches: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] | null {
  const entered = branches.filter((issues) => issues.length > 0 && issues.every((issue) => issue.path.length > 0));
  return entered.length === 1 ? (entered[0] ?? null) : null;
}

function knownFieldsOf(issue: z.core.$ZodIssue): readonly string[] | null {
  if (issue.code !== "custom") return null;
  const params = issue.params as Partial<UnknownFieldParams> | undefined;
  return params?.knownFields ?? null;
}

function unknownField(
  path: readonly PropertyKey[],
  knownFields: readonly string[] | null,
  source: SchemaSource,
): Problem {
  const key = String(path.at(-1));
  const expected = knownFields === null ? "only known fields" : describeKnownFields(key, knownFields);
  const problem = createProblem(
    path,
    { found: `unknown field ${JSON.stringify(key)}`, expected },
    { ...source, part: "key" },
  );
  return { ...problem, path: formatPath([...(source.basePath ?? []), ...path.slice(0, -1)]) };
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}

/** For schemas that do not say themselves what they expect. */
function describeExpected(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return TYPE_WORDS[String(issue.expected)] ?? String(issue.expected);
    case "invalid_value":
      return describeValues(issue.values as readonly unknown[]);
    case "too_small":
      return `${String(issue.minimum)} or more`;
    case "too_big":
      return `${String(issue.maximum)} or less`;
    case "unrecognized_keys":
      return "only known fields";
    case "invalid_format":
      return `text in the form ${String(issue.format)}`;
    case "invalid_union":
      return "one of the allowed forms";
    default:
      return "another value";
  }
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
  never: "nothing",
  null: "null",
};

function describeValues(values: readonly unknown[]): string {
  const words = values.map((value) => (typeof value === "string" ? value : JSON.stringify(value)));
  return words.length === 1 ? (words[0] ?? "") : `one of ${words.join(", ")}`;
}
