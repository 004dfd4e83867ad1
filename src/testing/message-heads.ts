import assert from "node:assert/strict";
import { BODY_CHUNKED, type Head } from "../proxy/head.ts";
import { toLocalHead } from "../proxy/http2/local-head.ts";
import { buildHeaders, type Field, requestFields } from "./http2-frames.ts";
import { SessionPeer } from "./session-peer.ts";

/** A request head as an exchange has it: of `fields`, or of a POST whose body may have any length. */
export function requestHead(fields: readonly Field[] = requestFields("/", "POST")): Head {
  const peer = new SessionPeer();
  peer.receive(buildHeaders(1, fields));
  const head = peer.streams.get(1)?.head.clone();
  assert.ok(head !== undefined, "the request was taken");
  return head;
}

/** The head of a 200 whose body may have any length. */
export function responseHead(): Head {
  const head = toLocalHead(200, "", 0);
  head.bodyKind = BODY_CHUNKED;
  return head;
}
