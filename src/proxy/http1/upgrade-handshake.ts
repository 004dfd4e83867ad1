import type { Random } from "../../random/random.ts";
import { FIELD_UPGRADE, FIELD_WEBSOCKET_ACCEPT, FIELD_WEBSOCKET_KEY, type Head } from "../head.ts";
import { renderField, toFieldLines } from "./field-line.ts";
import { offersProtocol } from "./upgrade-field.ts";
import { computeWebSocketAccept, createWebSocketKey } from "./websocket-key.ts";

/**
 * Gives a WebSocket request that came over HTTP/2, and so has no key (RFC 8441 section 5), one of its own for an upstream
 * over HTTP/1.1. Returns the key; null when the request needs none.
 */
export function addWebSocketKey(request: Head, random: Random): string | null {
  if (request.find(FIELD_WEBSOCKET_KEY) >= 0 || !asksForWebSocket(request)) return null;
  const key = createWebSocketKey(random);
  request.add(toFieldLines(renderField("sec-websocket-key", key)));
  return key;
}

/**
 * Why a 101 is not a good answer to `request`; null when it is. `ownKey`: what `addWebSocketKey` made, whose answer no
 * client will check.
 */
export function refuseSwitch(request: Head, response: Head, ownKey: string | null): string | null {
  const index = response.find(FIELD_UPGRADE);
  if (index < 0) return "101 Switching Protocols came without an Upgrade field; expected the protocol's name in one";
  const chosen = response.valueText(index);
  if (!offersProtocol(listOffers(request), chosen)) {
    return `101 Switching Protocols chose "${printable(chosen)}"; expected one of "${printable(listOffers(request))}"`;
  }
  if (ownKey === null) return null;
  const accept = response.find(FIELD_WEBSOCKET_ACCEPT);
  if (accept >= 0 && response.valueText(accept) === computeWebSocketAccept(ownKey)) {
    // It answers a key that the caller never sent.
    response.drop(accept);
    return null;
  }
  return "101 Switching Protocols came with a Sec-WebSocket-Accept that does not answer the key";
}

/** Gives a 101 that came over HTTP/2 what a caller over HTTP/1.1 expects: the protocol, and the answer to its key. */
export function completeSwitch(request: Head, response: Head): void {
  if (response.find(FIELD_UPGRADE) < 0) {
    // HTTP/2 carries one name: the first that was offered.
    const [first = ""] = listOffers(request).split(",");
    response.add(toFieldLines(renderField("upgrade", first.trim())));
  }
  if (response.find(FIELD_WEBSOCKET_ACCEPT) >= 0 || !asksForWebSocket(request)) return;
  const key = request.find(FIELD_WEBSOCKET_KEY);
  if (key < 0) return;
  const accept = computeWebSocketAccept(request.valueText(key));
  response.add(toFieldLines(renderField("sec-websocket-accept", accept)));
}

function asksForWebSocket(request: Head): boolean {
  return offersProtocol(listOffers(request), "websocket");
}

/** All that the request offers, as one list. */
function listOffers(request: Head): string {
  let offers = "";
  for (let index = 0; index < request.count; index += 1) {
    if (request.ids[index] !== FIELD_UPGRADE) continue;
    offers = offers === "" ? request.valueText(index) : `${offers}, ${request.valueText(index)}`;
  }
  return offers;
}

function printable(text: string): string {
  return text.slice(0, 80).replace(/[^\x20-\x7e]/g, "?");
}
