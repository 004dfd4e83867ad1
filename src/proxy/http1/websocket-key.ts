import { createHash } from "node:crypto";
import type { Random } from "../../random/random.ts";

/** RFC 6455 section 1.3. */
const ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_BYTES = 16;

/** A fresh `sec-websocket-key`: 16 random bytes in base64. It proves that a server means WebSocket; it is no secret. */
export function createWebSocketKey(random: Random): string {
  return Buffer.from(random.bytes(KEY_BYTES)).toString("base64");
}

/** The `sec-websocket-accept` that answers a key (RFC 6455 section 4.2.2). */
export function computeWebSocketAccept(key: string): string {
  return createHash("sha1").update(`${key}${ACCEPT_GUID}`, "latin1").digest("base64");
}
