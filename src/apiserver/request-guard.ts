import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { StatusError } from "./status.ts";

/**
 * Refuses requests that a web page could make the user's browser send: with DNS rebinding a page's own name leads to
 * this address, but the Host header still carries that name. `localhost` and IP literals cannot be rebound.
 */
export function assertLocalHost(request: IncomingMessage): void {
  const host = request.headers.host ?? "";
  const name = host.startsWith("[") ? host.slice(1, host.indexOf("]")) : host.replace(/:\d*$/, "");
  if (name.toLowerCase() === "localhost" || isIP(name) !== 0) return;
  throw new StatusError(
    "MisdirectedRequest",
    `Cannot answer for the host "${name}"; expected localhost or an IP address in the Host header`,
  );
}

/** Checks `authorization: Bearer`; the time taken says nothing about how much of a wrong token was right. */
export function createTokenCheck(token: string): (request: IncomingMessage) => void {
  const expected = digest(token);
  return (request) => {
    const [scheme, found, ...rest] = (request.headers.authorization ?? "").split(" ");
    if (scheme === undefined || scheme === "") {
      throw new StatusError("Unauthorized", "Unauthorized: found no token; expected `authorization: Bearer <token>`");
    }
    const isBearer = scheme.toLowerCase() === "bearer" && found !== undefined && rest.length === 0;
    if (!isBearer || !timingSafeEqual(digest(found), expected)) {
      throw new StatusError(
        "Unauthorized",
        "Unauthorized: found a token that is not this mesh's; expected the one in its state folder",
      );
    }
  };
}

/** Equal lengths, which timingSafeEqual needs, whatever was sent. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
