import type { envoy } from "#gen/protos.js";
import type { HashSource } from "../policy/route-policy.ts";
import { ConfigRefusal, refuseUnknownFields } from "./refuse.ts";
import { LONG_DURATION, requireDuration } from "./require-number.ts";
import type { StructReader } from "./struct-reader.ts";

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const COOKIE_PATH = /^[ -:<-~]*$/;
const DEFAULT_COOKIE_PATH = "/";

/** What a request is hashed by; the first that gives a hash ends it, so each but the last has to be terminal. */
export function decodeHashPolicies(
  wire: readonly envoy.config.route.v3.RouteAction.HashPolicy[],
  path: string,
): readonly HashSource[] {
  return wire.map((policy, index) => {
    const at = `${path}[${index}]`;
    if (policy.terminal !== true && index < wire.length - 1) {
      throw new ConfigRefusal(`${at}.terminal`, "false", "true for all but the last: hashes are not combined");
    }
    return decodeHashPolicy(policy, at);
  });
}

/** `{cookie: {name, path, ttlMs}}`, `{header: {name}}`, `{query: {name}}` or `{source: true}`. */
export function decodeHashSource(reader: StructReader): HashSource {
  const kind = reader.keys()[0];
  const source = readSource(reader, kind);
  reader.finish();
  return source;
}

function readSource(reader: StructReader, kind: string | undefined): HashSource {
  if (kind === "source" && reader.flag("source", false)) return { kind: "source" };
  const inner = kind === "cookie" || kind === "header" || kind === "query" ? reader.object(kind) : null;
  if (inner === null) throw new ConfigRefusal(reader.path, "no source", "cookie, header, query or source");
  const source = readNamed(inner, kind);
  inner.finish();
  return source;
}

function readNamed(inner: StructReader, kind: string | undefined): HashSource {
  if (kind === "query") return { kind: "query", name: inner.text("name", null, /./, "a name") };
  const name = inner.text("name", null, TOKEN, "a token");
  if (kind === "header") return { kind: "header", name: name.toLowerCase() };
  const path = inner.text("path", DEFAULT_COOKIE_PATH, COOKIE_PATH, "a path");
  return { kind: "cookie", name, path, ttlMs: inner.number("ttlMs", 0, LONG_DURATION) };
}

function decodeHashPolicy(wire: envoy.config.route.v3.RouteAction.HashPolicy, path: string): HashSource {
  const kinds = ["header", "cookie", "connectionProperties", "queryParameter"];
  refuseUnknownFields(wire, [...kinds, "terminal", "policySpecifier"], path);
  if (wire.header != null) {
    refuseUnknownFields(wire.header, ["headerName"], `${path}.header`);
    const name = requireToken(wire.header.headerName ?? "", `${path}.header.header_name`);
    return { kind: "header", name: name.toLowerCase() };
  }
  if (wire.cookie != null) return decodeCookie(wire.cookie, `${path}.cookie`);
  if (wire.queryParameter != null) {
    const name = wire.queryParameter.name ?? "";
    if (name === "") throw new ConfigRefusal(`${path}.query_parameter.name`, "nothing", "a name");
    return { kind: "query", name };
  }
  if (wire.connectionProperties?.sourceIp === true) return { kind: "source" };
  throw new ConfigRefusal(path, "no source", "header, cookie, connection_properties.source_ip or query_parameter");
}

function decodeCookie(wire: envoy.config.route.v3.RouteAction.HashPolicy.Cookie, path: string): HashSource {
  refuseUnknownFields(wire, ["name", "ttl", "path"], path);
  if (wire.ttl == null) throw new ConfigRefusal(`${path}.ttl`, "nothing", "a duration: a cookie is made where none is");
  const cookiePath = wire.path || DEFAULT_COOKIE_PATH;
  if (!COOKIE_PATH.test(cookiePath)) throw new ConfigRefusal(`${path}.path`, JSON.stringify(cookiePath), "a path");
  const ttlMs = requireDuration(wire.ttl, LONG_DURATION, `${path}.ttl`);
  return { kind: "cookie", name: requireToken(wire.name ?? "", `${path}.name`), path: cookiePath, ttlMs };
}

function requireToken(name: string, path: string): string {
  if (TOKEN.test(name)) return name;
  throw new ConfigRefusal(path, JSON.stringify(name), "a token");
}
