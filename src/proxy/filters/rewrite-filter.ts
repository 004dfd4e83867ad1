import type { Exchange } from "../exchange.ts";
import type { RewritePolicy } from "../policy/route-policy.ts";
import type { Head } from "../head.ts";
import { INTERNAL } from "../failures.ts";
import { authorityEnd } from "../http1/authority.ts";
import { pathOf } from "../route/match-request.ts";
import { ANSWERED, CONTINUE } from "./filter.ts";
import { changePath } from "./rewrite-path.ts";

const SLASH = 0x2f;
const NO_BYTES: Uint8Array = new Uint8Array(0);

/**
 * Gives a request another path, another host, or both, before it goes upstream; the query stays. Once for a request. What
 * routed it stays: the route and the cluster are chosen already, and logs name what the caller asked for. The callee's
 * proxy judges what it gets, which is the new path. `*` and CONNECT targets have no path to rewrite.
 *
 * ANSWERED: the new path is refused (BAD_PATH, URI_TOO_LONG); a host that is none never gets through configuration, and is
 * refused all the same (INTERNAL), as nothing after this looks at it.
 */
export function applyRewrite(policy: RewritePolicy, x: Exchange): number {
  const { request } = x;
  if (request === null) return CONTINUE;
  let path: Uint8Array | null = null;
  if (policy.path !== null && request.bytes[request.targetStart] === SLASH) {
    // The text is made now, while the head has the path that was asked for.
    const changed = changePath(policy.path, pathOf(x));
    if (changed !== null && !(changed instanceof Uint8Array)) {
      x.fail(changed.code, `Policy "${x.route?.policy.name ?? ""}" rewrites the path, and ${changed.message}`);
      return ANSWERED;
    }
    path = changed;
  }
  const host = policy.host === "" ? NO_BYTES : Buffer.from(policy.host, "latin1");
  if (host.length > 0 && authorityEnd(host, 0, host.length) !== host.length) {
    x.fail(INTERNAL, `Policy "${x.route?.policy.name ?? ""}" rewrites the host to what is none: "${policy.host}"`);
    return ANSWERED;
  }
  if (path !== null || host.length > 0) replaceTarget(request, path, host);
  return CONTINUE;
}

/**
 * Another target and authority behind the head's bytes, which move to memory of their own: what the codec handed out stays
 * as it was. `path` null and an empty `host` = as before.
 */
function replaceTarget(head: Head, path: Uint8Array | null, host: Uint8Array): void {
  const { bytes, end, pathEnd, targetEnd } = head;
  const queryBytes = path === null ? 0 : targetEnd - pathEnd;
  const pathBytes = path === null ? 0 : path.length;
  const own = new Uint8Array(end + pathBytes + queryBytes + host.length);
  own.set(bytes.subarray(0, end));
  let at = end;
  if (path !== null) {
    own.set(path, at);
    own.set(bytes.subarray(pathEnd, targetEnd), at + pathBytes);
    head.targetStart = at;
    head.pathEnd = at + pathBytes;
    head.targetEnd = head.pathEnd + queryBytes;
    at = head.targetEnd;
  }
  if (host.length > 0) {
    own.set(host, at);
    head.authorityStart = at;
    head.authorityEnd = at + host.length;
  }
  head.bytes = own;
  head.end = own.length;
}
