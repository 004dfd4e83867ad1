import type { ApiCall } from "../api-route.ts";
import { StatusError } from "../status.ts";

/** What a write may be asked for besides its object. */
export interface WriteOptions {
  /** Everything is done but the write itself. */
  readonly isDryRun: boolean;
  /** Who writes, as `metadata.managedFields` says it. */
  readonly manager: string;
  /** What is said of a field that stands twice in a body. */
  readonly fieldValidation: FieldValidation;
}

/**
 * Of fields that stand twice: refused, warned of, or passed over. Unknown fields are refused whatever is asked for: a
 * policy with a misspelt field would be in force and not do what it says.
 */
export type FieldValidation = "Strict" | "Warn" | "Ignore";

const MAX_MANAGER_LENGTH = 128;

/** Throws StatusError BadRequest. */
export function readWriteOptions(call: ApiCall): WriteOptions {
  return {
    isDryRun: readDryRun(call.query.getAll("dryRun")),
    manager: readManager(call) ?? managerOf(call.headers["user-agent"]),
    fieldValidation: readFieldValidation(call.query.get("fieldValidation")),
  };
}

/** The manager a request names; null when it names none. */
export function readManager({ query }: ApiCall): string | null {
  const text = query.get("fieldManager");
  if (text === null || text === "") return null;
  if (text.length <= MAX_MANAGER_LENGTH && !/[\p{Cc}\p{Cs}\p{Cn}]/u.test(text)) return text;
  throw new StatusError(
    "BadRequest",
    `Cannot read fieldManager: found ${text.length} characters; expected at most ${MAX_MANAGER_LENGTH}, all of them printable`,
  );
}

/** Also of the list in a body of DeleteOptions. */
export function readDryRun(values: readonly unknown[]): boolean {
  for (const value of values) {
    if (value === "All" || value === "") continue;
    throw new StatusError("BadRequest", `Cannot read dryRun: found ${JSON.stringify(value)}; expected All`);
  }
  return values.includes("All");
}

function readFieldValidation(text: string | null): FieldValidation {
  if (text === null || text === "") return "Warn";
  if (text === "Strict" || text === "Warn" || text === "Ignore") return text;
  throw new StatusError(
    "BadRequest",
    `Cannot read fieldValidation: found ${JSON.stringify(text)}; expected Strict, Warn or Ignore`,
  );
}

/** Kubernetes' rule: what stands before the first "/". */
function managerOf(userAgent: string | undefined): string {
  const program = (userAgent ?? "").split("/", 1)[0]?.trim() ?? "";
  return program === "" ? "unknown" : program.slice(0, MAX_MANAGER_LENGTH);
}
