import type { envoy } from "#gen/protos.js";
import { compilePattern, parseSimplePattern } from "../../lib/pattern.ts";
import type { PathChange } from "../policy/route-policy.ts";
import { ConfigRefusal } from "./refuse.ts";

/** How a whole path is replaced in Envoy's words. */
const WHOLE_PATH = "^.*$";

export interface PathChangeFields {
  readonly prefixRewrite?: string | null;
  readonly regexRewrite?: envoy.type.matcher.v3.RegexMatchAndSubstitute | null;
}

/** Null = the path stays. What a prefix replaces is what the route matched. */
export function decodePathChange(
  wire: PathChangeFields,
  match: envoy.config.route.v3.RouteMatch,
  path: string,
): PathChange | null {
  if (wire.regexRewrite != null) {
    if (wire.prefixRewrite) throw new ConfigRefusal(path, "prefix_rewrite and regex_rewrite", "one of them");
    return decodeRegexRewrite(wire.regexRewrite, `${path}.regex_rewrite`);
  }
  if (wire.prefixRewrite == null || wire.prefixRewrite === "") return null;
  const replacement = wire.prefixRewrite;
  refuseQuery(replacement, `${path}.prefix_rewrite`);
  const prefix = match.prefix ?? match.path;
  return prefix == null ? { kind: "full", path: replacement } : { kind: "prefix", prefix, replacement };
}

/** The replaced path has a query of its own only if somebody else wrote it: ours stays. */
export function refuseQuery(text: string, path: string): void {
  if (/^[!"$->@-~]*$/.test(text)) return;
  throw new ConfigRefusal(path, JSON.stringify(text), "visible ASCII characters without ? and #");
}

function decodeRegexRewrite(wire: envoy.type.matcher.v3.RegexMatchAndSubstitute, path: string): PathChange {
  const source = wire.pattern?.regex ?? "";
  if (source === "") throw new ConfigRefusal(`${path}.pattern`, "no pattern", "a regular expression");
  const replacement = wire.substitution ?? "";
  refuseQuery(replacement, `${path}.substitution`);
  if (!/^(?:[^\\]|\\[0-9\\])*$/.test(replacement)) {
    throw new ConfigRefusal(`${path}.substitution`, JSON.stringify(replacement), "\\0 to \\9 and \\\\ as escapes only");
  }
  if (!/(?:^|[^\\])(?:\\\\)*\\[0-9]/.test(replacement)) {
    const plain = replacement.replaceAll("\\\\", "\\");
    if (source === WHOLE_PATH) return { kind: "full", path: plain };
    // Text at the start needs no regular expression.
    const simple = parseSimplePattern(source);
    if (simple?.atStart === true && simple.literal !== "" && !simple.open && !simple.atEnd) {
      return { kind: "prefix", prefix: simple.literal, replacement: plain };
    }
  }
  return { kind: "regex", pattern: compilePattern(source, "search"), replacement };
}
