import type { Exchange } from "../exchange.ts";
import type { RedirectPolicy } from "../policy/route-policy.ts";
import type { Head } from "../head.ts";
import { INTERNAL } from "../failures.ts";
import { BODY_LENGTH } from "../head.ts";
import { toLocalHead } from "../http2/local-head.ts";
import { pathOf } from "../route/match-request.ts";
import { ANSWERED, CONTINUE } from "./filter.ts";
import { changePath } from "./rewrite-path.ts";

const DEFAULT_PORTS: ReadonlyMap<string, number> = new Map([
  ["http", 80],
  ["https", 443],
]);
const SLASH = 0x2f;

/**
 * Answers with `policy.status` and a `location`, an absolute URI with the query of the request. CONTINUE when there is
 * nothing to answer: a redirect that changes nothing would come back for ever, and `*` has no URI. A path that a change
 * makes unfit is refused (BAD_PATH, URI_TOO_LONG).
 */
export function answerRedirect(policy: RedirectPolicy, x: Exchange): number {
  const { request } = x;
  if (request === null || request.bytes[request.targetStart] !== SLASH) return CONTINUE;
  const asked = pathOf(x);
  const path = policy.path === null ? null : changePath(policy.path, asked);
  if (path !== null && !(path instanceof Uint8Array)) {
    x.fail(path.code, `Policy "${x.route?.policy.name ?? ""}" redirects to another path, and ${path.message}`);
    return ANSWERED;
  }
  const location =
    originOf(policy, x) + (path === null ? asked : Buffer.from(path).toString("latin1")) + queryOf(request);
  if (location === originOf(NO_CHANGE, x) + asked + queryOf(request)) return CONTINUE;
  // Configuration is checked when it is read; a byte that ends the line would be worse than no answer.
  if (/[^\u0021-\u007e]/.test(location)) {
    x.fail(INTERNAL, `Policy "${x.route?.policy.name ?? ""}" redirects to a host that no URI may have`);
    return ANSWERED;
  }
  const head = toLocalHead(policy.status, `location: ${location}\r\n`, 0);
  // Said to be empty: a client would else wait for the connection's end.
  head.bodyKind = BODY_LENGTH;
  x.answeredBy = "redirect";
  x.answer(head, null);
  return ANSWERED;
}

const NO_CHANGE: RedirectPolicy = { status: 302, scheme: "", host: "", port: 0, path: null };

/** `scheme://host` and a port that is not the scheme's; "" where neither caller nor policy name a host. */
function originOf(policy: RedirectPolicy, { authority, origin }: Exchange): string {
  // Between proxies it is what the caller of the app speaks, which weft does not end.
  const own = origin?.scheme ?? "http";
  const scheme = policy.scheme === "" ? own : policy.scheme;
  const asked = splitAuthority(authority);
  const wanted = splitAuthority(policy.host);
  const host = wanted.host === "" ? asked.host : wanted.host;
  if (host === "") return "";
  const askedPort = scheme === own ? asked.port : 0;
  const port = policy.port || wanted.port || askedPort;
  const shown = port === 0 || port === DEFAULT_PORTS.get(scheme) ? "" : `:${port}`;
  return `${scheme}://${host}${shown}`;
}

/** Port 0 = none is written. IPv6 addresses keep their brackets. */
function splitAuthority(authority: string): { readonly host: string; readonly port: number } {
  const match = /^(.*):(\d+)$/.exec(authority);
  return match === null ? { host: authority, port: 0 } : { host: match[1] ?? "", port: Number(match[2]) };
}

function queryOf(request: Head): string {
  return Buffer.prototype.latin1Slice.call(request.bytes, request.pathEnd, request.targetEnd);
}
