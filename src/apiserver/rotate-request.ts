import type { RotateRequest } from "../control/views.ts";
import { WeftError } from "../lib/weft-error.ts";
import { StatusError } from "./status.ts";

const MAX_GIVEN_CHARACTERS = 65_536;

/** Throws a StatusError for what is no such request. */
export function readRotateRequest(body: unknown): RotateRequest {
  const fields = (typeof body === "object" && body !== null ? body : {}) as Partial<Record<string, unknown>>;
  const { given, leaveOffline, now } = fields;
  const causes = [
    checkBoolean("now", now),
    checkBoolean("leaveOffline", leaveOffline),
    given === undefined || (typeof given === "string" && given.length <= MAX_GIVEN_CHARACTERS)
      ? null
      : { reason: "FieldValueInvalid", field: "given", message: "expected PEM, at most 64 KiB" },
  ].filter((cause) => cause !== null);
  if (causes.length > 0) {
    const list = causes.map(({ field, message }) => `${field}: ${message}`);
    throw new StatusError("Invalid", `Cannot rotate the root: ${list.join("; ")}`, { kind: "trust", causes });
  }
  return {
    now: now === true,
    leaveOffline: leaveOffline === true,
    ...(typeof given === "string" ? { given } : {}),
  };
}

/** Throws what the API answers in place of the control plane's error. */
export function toRefusal(error: unknown): never {
  if (!(error instanceof WeftError)) throw error;
  const text = `${error.message} (${error.code})${error.hint === null ? "" : `. ${error.hint}`}`;
  if (error.code === "WEFT_CA_ROTATING") throw new StatusError("Conflict", text, { kind: "trust" });
  if (!error.code.startsWith("WEFT_CA_")) throw error;
  throw new StatusError("Invalid", text, { kind: "trust" });
}

function checkBoolean(field: string, value: unknown): { reason: string; field: string; message: string } | null {
  if (value === undefined || typeof value === "boolean") return null;
  return { reason: "FieldValueInvalid", field, message: `found ${JSON.stringify(value)}; expected true or false` };
}
