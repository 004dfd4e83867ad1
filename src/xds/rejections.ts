import { google } from "#gen/protos.js";

/** A resource that a proxy refused, and why in its own words. */
export interface Rejection {
  readonly name: string;
  readonly reason: string;
}

/**
 * The `error_detail` of a NACK. People and other control planes read `message`; our own reads the names from `details`
 * (one google.protobuf.Struct, `{rejected: {<name>: <reason>}}`), so that it knows that everything else in the response
 * was accepted. xDS itself has no field for that.
 */
const REJECTED_FIELD = "rejected";
const STRUCT_TYPE = "type.googleapis.com/google.protobuf.Struct";
const INVALID_ARGUMENT = 3;

/** Longer reasons are cut: a NACK must not grow with what provoked it. */
const MAX_REASON_CHARACTERS = 1024;
const MAX_REASONS_IN_MESSAGE = 10;

/** `total` is the number of resources in the response. */
export function encodeRejections(rejections: readonly Rejection[], total: number): google.rpc.Status {
  const shown = rejections.slice(0, MAX_REASONS_IN_MESSAGE).map(({ name, reason }) => `${name}: ${cutReason(reason)}`);
  const hidden = rejections.length - shown.length;
  const more = hidden > 0 ? `; and ${hidden} more` : "";
  const fields: Record<string, google.protobuf.Value> = {};
  for (const { name, reason } of rejections) fields[name] = { stringValue: cutReason(reason) };
  const details = google.protobuf.Struct.encode({ fields: { [REJECTED_FIELD]: { structValue: { fields } } } }).finish();
  return {
    code: INVALID_ARGUMENT,
    message: `rejected ${rejections.length} of ${total} resources: ${shown.join("; ")}${more}`,
    details: [{ typeUrl: STRUCT_TYPE, value: details }],
  };
}

/** The `error_detail` for a response that cannot be taken at all: nothing of it was applied. */
export function encodeRefusal(message: string): google.rpc.Status {
  return { code: INVALID_ARGUMENT, message: cutReason(message) };
}

/**
 * Which of the `sent` names a NACK refuses. Without our details the names are looked for in the message: Envoy applies the
 * good resources of a response and names the bad ones. A message that names none refuses all of them.
 */
export function decodeRejections(status: google.rpc.Status, sent: readonly string[]): readonly Rejection[] {
  const message = cutReason(status.message ?? "");
  const reasons = decodeDetails(status);
  if (reasons !== null) {
    return sent.flatMap((name) => {
      const reason = reasons.get(name);
      return reason === undefined ? [] : [{ name, reason: cutReason(reason) }];
    });
  }
  const named = sent.filter((name) => isNamedIn(status.message ?? "", name));
  return (named.length > 0 ? named : sent).map((name) => ({ name, reason: message }));
}

/** Whether `name` stands in `text` by itself, not as a part of a longer name. */
function isNamedIn(text: string, name: string): boolean {
  if (name === "") return false;
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    const before = text.charAt(at - 1);
    const after = text.charAt(at + name.length);
    if (!/[\w/.:-]/.test(before) && !/[\w/-]/.test(after)) return true;
  }
  return false;
}

function decodeDetails(status: google.rpc.Status): ReadonlyMap<string, string> | null {
  const detail = status.details?.find(({ typeUrl }) => typeUrl === STRUCT_TYPE);
  if (detail === undefined) return null;
  try {
    const struct = google.protobuf.Struct.decode(detail.value ?? new Uint8Array(0));
    const rejected = struct.fields?.[REJECTED_FIELD]?.structValue?.fields;
    if (rejected === undefined || rejected === null) return null;
    return new Map(Object.entries(rejected).map(([name, value]) => [name, value.stringValue ?? ""]));
  } catch {
    // Someone else's details: the message still counts.
    return null;
  }
}

function cutReason(reason: string): string {
  return reason.length <= MAX_REASON_CHARACTERS ? reason : `${reason.slice(0, MAX_REASON_CHARACTERS)}…`;
}
