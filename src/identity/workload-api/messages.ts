import protobuf from "protobufjs/minimal.js";

/** One identity as the Workload API hands it out (SPIFFE Workload API, 5.1): DER throughout. */
export interface X509Svid {
  readonly spiffeId: string;
  /** Leaf first, one after the other. */
  readonly chain: Uint8Array;
  /** PKCS#8. */
  readonly key: Uint8Array;
  /** Roots of the SVID's trust domain, one after the other. */
  readonly bundle: Uint8Array;
}

/** X509SVIDResponse: `federated` by "spiffe://<trust domain>". Written by hand: two messages of seven fields. */
export function encodeX509SvidResponse(svid: X509Svid, federated: ReadonlyMap<string, Uint8Array>): Buffer {
  const writer = new protobuf.Writer();
  writer.uint32(0x0a).fork();
  writer.uint32(0x0a).string(svid.spiffeId).uint32(0x12).bytes(svid.chain);
  writer.uint32(0x1a).bytes(svid.key).uint32(0x22).bytes(svid.bundle);
  writer.ldelim();
  writeBundles(writer, 0x1a, federated);
  return Buffer.from(writer.finish());
}

/** X509BundlesResponse, by "spiffe://<trust domain>", the own one included. */
export function encodeX509BundlesResponse(bundles: ReadonlyMap<string, Uint8Array>): Buffer {
  const writer = new protobuf.Writer();
  writeBundles(writer, 0x12, bundles);
  return Buffer.from(writer.finish());
}

function writeBundles(writer: protobuf.Writer, tag: number, bundles: ReadonlyMap<string, Uint8Array>): void {
  for (const [name, bundle] of bundles) {
    writer.uint32(tag).fork();
    writer.uint32(0x0a).string(name).uint32(0x12).bytes(bundle);
    writer.ldelim();
  }
}
