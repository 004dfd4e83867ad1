import { envoy } from "#gen/protos.js";
import type { HeaderChanges } from "../policy/route-policy.ts";
import { ConfigRefusal, refuseUnknownFields } from "./refuse.ts";

const { APPEND_IF_EXISTS_OR_ADD, OVERWRITE_IF_EXISTS_OR_ADD } =
  envoy.config.core.v3.HeaderValueOption.HeaderAppendAction;

const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const VALUE = /^[\t\u0020-\u007e\u0080-\u00ff]*$/;
/** They say how a message is framed or where it goes: with another value it could be read in two ways. */
const FIXED: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

type HeaderValueOption = envoy.config.core.v3.HeaderValueOption;

/** `direction`: "request" or "response", as in the fields' names. Null = nothing changes. */
export function decodeHeaderChanges(
  added: readonly HeaderValueOption[],
  removed: readonly string[],
  { direction, path }: { readonly direction: "request" | "response"; readonly path: string },
): HeaderChanges | null {
  if (added.length === 0 && removed.length === 0) return null;
  const remove = removed.map((name, index) => requireName(name, `${path}.${direction}_headers_to_remove[${index}]`));
  const set: (readonly [string, string])[] = [];
  const add: (readonly [string, string])[] = [];
  for (const [index, option] of added.entries()) {
    const at = `${path}.${direction}_headers_to_add[${index}]`;
    refuseUnknownFields(option, ["header", "append", "appendAction", "keepEmptyValue"], at);
    refuseUnknownFields(option.header ?? {}, ["key", "value"], `${at}.header`);
    const name = requireName(option.header?.key ?? "", `${at}.header.key`);
    const field = [name, decodeValue(option, `${at}.header.value`)] as const;
    if (!isReplacing(option, at)) add.push(field);
    else if (!add.some(([other]) => other === name)) set.push(field);
    else throw new ConfigRefusal(at, `"${name}" replaced after it was added`, "the replacement first");
  }
  return { remove, set, add };
}

/** A lower-case name of a field that may be changed. */
function requireName(name: string, path: string): string {
  const lower = name.toLowerCase();
  if (NAME.test(lower) && !FIXED.has(lower)) return lower;
  throw new ConfigRefusal(path, JSON.stringify(name), "the name of a header that does not frame or route the message");
}

function isReplacing(option: HeaderValueOption, path: string): boolean {
  if (option.append != null) {
    // The old word for it, without which a header is added.
    if ((option.appendAction ?? APPEND_IF_EXISTS_OR_ADD) !== APPEND_IF_EXISTS_OR_ADD) {
      throw new ConfigRefusal(path, "append and append_action", "one of them");
    }
    return option.append.value === false;
  }
  const action = option.appendAction ?? APPEND_IF_EXISTS_OR_ADD;
  if (action === APPEND_IF_EXISTS_OR_ADD) return false;
  if (action === OVERWRITE_IF_EXISTS_OR_ADD) return true;
  const expected = "APPEND_IF_EXISTS_OR_ADD or OVERWRITE_IF_EXISTS_OR_ADD";
  throw new ConfigRefusal(`${path}.append_action`, `action ${action}`, expected);
}

/** `%` begins a command of Envoy's unless it is doubled. */
function decodeValue(option: HeaderValueOption, path: string): string {
  const value = option.header?.value ?? "";
  if (!/^(?:[^%]|%%)*$/.test(value)) throw new ConfigRefusal(path, JSON.stringify(value), "% only as %%");
  if (!VALUE.test(value)) throw new ConfigRefusal(path, JSON.stringify(value), "no control characters but the tab");
  if (value === "" && option.keepEmptyValue !== true) {
    throw new ConfigRefusal(path, "an empty value", "a value, or keep_empty_value");
  }
  return value.replaceAll("%%", "%");
}
