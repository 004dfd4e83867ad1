import type { envoy } from "#gen/protos.js";
import type { PathChangeModel } from "../model/policy-model.ts";

type RouteMatch = envoy.config.route.v3.RouteMatch;
type Rewrite = envoy.type.matcher.v3.RegexMatchAndSubstitute;

/** One of them, or none. */
export interface PathChangeFields {
  readonly prefixRewrite?: string;
  readonly regexRewrite?: Rewrite;
}

/**
 * How a path is changed in Envoy's words. Its prefix rewrite replaces what the route matched; any other prefix is text at the
 * start, and a whole path all of it, of a regular expression.
 */
export function toPathChange(change: PathChangeModel | null, match: RouteMatch): PathChangeFields {
  switch (change?.kind) {
    case undefined:
      return {};
    case "full":
      return { regexRewrite: { pattern: { regex: "^.*$" }, substitution: escapeSubstitution(change.path) } };
    case "regex":
      return { regexRewrite: { pattern: { regex: change.pattern }, substitution: change.replacement } };
    case "prefix": {
      const { prefix, replacement } = change;
      if (match.prefix === prefix && replacement !== "") return { prefixRewrite: replacement };
      const substitution = escapeSubstitution(replacement);
      return { regexRewrite: { pattern: { regex: `^${quote(prefix)}` }, substitution } };
    }
  }
}

function escapeSubstitution(text: string): string {
  return text.replaceAll("\\", "\\\\");
}

function quote(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
