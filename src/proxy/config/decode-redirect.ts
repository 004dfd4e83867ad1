import { envoy } from "#gen/protos.js";
import type { PathChange, RedirectPolicy } from "../policy/route-policy.ts";
import { decodePathChange, refuseQuery } from "./decode-path-change.ts";
import { ConfigRefusal, refuseUnknownFields } from "./refuse.ts";
import { requireNumber } from "./require-number.ts";

const Code = envoy.config.route.v3.RedirectAction.RedirectResponseCode;
const STATUSES: ReadonlyMap<number, number> = new Map([
  [Code.MOVED_PERMANENTLY, 301],
  [Code.FOUND, 302],
  [Code.SEE_OTHER, 303],
  [Code.TEMPORARY_REDIRECT, 307],
  [Code.PERMANENT_REDIRECT, 308],
]);
const PORT = { min: 0, max: 65_535 };
const FIELDS: readonly string[] = [
  "httpsRedirect",
  "schemeRedirect",
  "schemeRewriteSpecifier",
  "hostRedirect",
  "portRedirect",
  "pathRedirect",
  "prefixRewrite",
  "regexRewrite",
  "pathRewriteSpecifier",
  "responseCode",
];

export function decodeRedirect(
  wire: envoy.config.route.v3.RedirectAction,
  match: envoy.config.route.v3.RouteMatch,
  path: string,
): RedirectPolicy {
  refuseUnknownFields(wire, FIELDS, path);
  const status = STATUSES.get(wire.responseCode ?? Code.MOVED_PERMANENTLY);
  if (status === undefined) throw new ConfigRefusal(`${path}.response_code`, `code ${wire.responseCode}`, "0 to 4");
  const scheme = wire.httpsRedirect === true ? "https" : (wire.schemeRedirect ?? "");
  if (!["", "http", "https"].includes(scheme)) {
    throw new ConfigRefusal(`${path}.scheme_redirect`, JSON.stringify(scheme), "http or https");
  }
  const host = wire.hostRedirect ?? "";
  if (/[\s/?#@]/.test(host)) throw new ConfigRefusal(`${path}.host_redirect`, JSON.stringify(host), "a host");
  const port = requireNumber(wire.portRedirect ?? 0, PORT, `${path}.port_redirect`);
  return { status, scheme, host, port, path: decodePath(wire, match, path) };
}

function decodePath(
  wire: envoy.config.route.v3.RedirectAction,
  match: envoy.config.route.v3.RouteMatch,
  path: string,
): PathChange | null {
  if (!wire.pathRedirect) return decodePathChange(wire, match, path);
  refuseQuery(wire.pathRedirect, `${path}.path_redirect`);
  return { kind: "full", path: wire.pathRedirect };
}
