import type { Owed } from "./subscription.ts";

/**
 * A DeltaDiscoveryResponse put together from resources that are encoded already: their bytes are copied once and never
 * decoded, so a resource costs its encoding once however many proxies get it.
 */
export interface DeltaResponse extends Owed {
  readonly typeUrl: string;
  readonly nonce: string;
}

/** Tags of envoy.service.discovery.v3.DeltaDiscoveryResponse: field number << 3 | 2 (length-delimited). */
const RESOURCES_TAG = (2 << 3) | 2;
const TYPE_URL_TAG = (4 << 3) | 2;
const NONCE_TAG = (5 << 3) | 2;
const REMOVED_RESOURCES_TAG = (6 << 3) | 2;

export function encodeDeltaResponse(response: DeltaResponse): Buffer {
  const typeUrl = Buffer.from(response.typeUrl);
  const nonce = Buffer.from(response.nonce);
  const removals = response.removals.map((name) => Buffer.from(name));
  let total = countFieldBytes(typeUrl) + countFieldBytes(nonce);
  for (const { bytes } of response.upserts) total += countFieldBytes(bytes);
  for (const name of removals) total += countFieldBytes(name);

  const out = Buffer.allocUnsafe(total);
  let at = 0;
  for (const { bytes } of response.upserts) at = writeField(out, at, RESOURCES_TAG, bytes);
  at = writeField(out, at, TYPE_URL_TAG, typeUrl);
  at = writeField(out, at, NONCE_TAG, nonce);
  for (const name of removals) at = writeField(out, at, REMOVED_RESOURCES_TAG, name);
  return out;
}

/** Of all resources. */
export function countBytes({ upserts }: DeltaResponse): number {
  let total = 0;
  for (const { bytes } of upserts) total += bytes.length;
  return total;
}

/** What a field with this content takes in the response: tag, length, content. */
export function countFieldBytes(content: Uint8Array): number {
  let bytes = 2;
  for (let rest = content.length; rest >= 0x80; rest >>>= 7) bytes += 1;
  return bytes + content.length;
}

function writeField(out: Buffer, start: number, tag: number, content: Uint8Array): number {
  let at = start;
  out[at++] = tag;
  let rest = content.length;
  for (; rest >= 0x80; rest >>>= 7) out[at++] = (rest & 0x7f) | 0x80;
  out[at++] = rest;
  out.set(content, at);
  return at + content.length;
}
