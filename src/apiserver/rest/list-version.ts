import { StatusError } from "../status.ts";

/** `resourceVersion` and `resourceVersionMatch` of a list. */
export interface VersionWish {
  /** "0": any will do. */
  readonly version: string;
  readonly match: "NotOlderThan" | "Exact";
}

/** Null: the newest, which is what weft answers with anyway. Throws StatusError Invalid, or BadRequest. */
export function readVersionWish(query: URLSearchParams): VersionWish | null {
  const version = query.get("resourceVersion") ?? "";
  const match = query.get("resourceVersionMatch") ?? "";
  if (match !== "" && version === "") {
    throw new StatusError("Invalid", "Cannot list: found resourceVersionMatch alone; expected resourceVersion with it");
  }
  if (version === "") return null;
  assertVersion(version);
  if (match === "Exact") {
    if (version !== "0") return { version, match };
    throw new StatusError("Invalid", 'Cannot list: found resourceVersionMatch Exact with "0"; expected a version');
  }
  if (match === "" || match === "NotOlderThan") return { version, match: "NotOlderThan" };
  throw new StatusError(
    "Invalid",
    `Cannot list: found resourceVersionMatch ${JSON.stringify(match)}; expected NotOlderThan or Exact`,
  );
}

/** Throws StatusError BadRequest. */
export function assertVersion(text: string): void {
  if (/^\d{1,20}$/.test(text)) return;
  throw new StatusError(
    "BadRequest",
    `Cannot read resourceVersion: found ${JSON.stringify(text)}; expected one that a list or an event had`,
  );
}

/**
 * Throws StatusError Timeout when `version` is none the store has come to: the client has it from another store, or
 * from a control plane that is ahead of this one, and asks again in a second.
 */
export function assertNotAhead(version: string, newest: string): void {
  if (BigInt(version) <= BigInt(newest)) return;
  // Kubernetes' own words: clients look for them, and for the cause.
  throw new StatusError("Timeout", `Too large resource version: ${version}, current: ${newest}`, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: 1,
  });
}
