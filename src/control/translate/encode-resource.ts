import { createHash } from "node:crypto";
import { envoy } from "#gen/protos.js";
import type { EncodedResource } from "../config-source.ts";

/** 96 bits: two contents of one resource never share a version by chance. */
const VERSION_CHARACTERS = 16;

/** `bytes` is the encoded message of type `typeUrl`; equal bytes give an equal version. */
export function encodeResource(typeUrl: string, name: string, bytes: Uint8Array): EncodedResource {
  const version = createHash("sha256").update(bytes).digest("base64url").slice(0, VERSION_CHARACTERS);
  const resource = { name, version, resource: { typeUrl, value: bytes } };
  return { typeUrl, name, version, bytes: copyOut(envoy.service.discovery.v3.Resource.encode(resource).finish()) };
}

/** Encoders cut what they give from blocks of 8 kB; a resource lives for long and would keep a whole block for itself. */
function copyOut(bytes: Uint8Array): Uint8Array {
  const own = Buffer.allocUnsafeSlow(bytes.length);
  own.set(bytes);
  return own;
}
