// SPIFFE's Workload API for an app that wants its own identity: a gRPC client that nobody here wrote, on a real socket.
import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import protobuf from "protobufjs";
import { within } from "../../src/testing/within.ts";
import { Mesh } from "./mesh.ts";

/** The specification's own definition, as far as it is about X.509. */
const PROTO = `
syntax = "proto3";
message X509SVIDResponse { repeated X509SVID svids = 1; repeated bytes crl = 2; map<string, bytes> federated_bundles = 3; }
message X509SVID { string spiffe_id = 1; bytes x509_svid = 2; bytes x509_svid_key = 3; bytes bundle = 4; string hint = 5; }
message X509BundlesResponse { repeated bytes crl = 1; map<string, bytes> bundles = 2; }
`;

interface SvidAnswer {
  readonly svids: readonly {
    readonly spiffeId: string;
    readonly x509Svid: Buffer;
    readonly x509SvidKey: Buffer;
    readonly bundle: Buffer;
  }[];
}

for (const runtime of ["node", "bun"] as const) {
  describe(`the Workload API of a sidecar on ${runtime}`, { concurrency: false }, () => {
    const root = protobuf.parse(PROTO, { keepCase: false }).root;
    let mesh: Mesh;
    let path: string;
    let client: Client;

    before(async () => {
      mesh = await Mesh.start({
        runtime,
        yaml: `
mesh: shop
certificateLifetime: 12s
services:
  web: { command: node echo.mjs, workloadApi: true }
  plain: { command: node echo.mjs }
`,
      });
      path = join(mesh.home, "proxies", "web-0", "workload.sock");
      client = new Client(`unix:${path}`, credentials.createInsecure());
    });

    after(async () => {
      client.close();
      await mesh.stop();
    });

    /** The first `count` answers of a stream. */
    function fetch<T>(method: string, type: string, count: number, metadata: Metadata = allowed()): Promise<T[]> {
      const call = client.makeServerStreamRequest(
        `/SpiffeWorkloadAPI/${method}`,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => root.lookupType(type).decode(bytes) as unknown as T,
        Buffer.alloc(0),
        metadata,
      );
      const answers: T[] = [];
      const finished = new Promise<T[]>((resolve, reject) => {
        call.on("data", (answer: T) => {
          answers.push(answer);
          if (answers.length === count) resolve(answers);
        });
        call.on("error", reject);
      });
      return within(`${count} answers of ${method}`, finished).finally(() => call.cancel());
    }

    test("is the owner's alone, and only where it was asked for", () => {
      assert.equal(statSync(path).mode & 0o777, 0o600);
      assert.equal(statSync(join(path, "..")).mode & 0o777, 0o700);
      assert.throws(() => statSync(join(mesh.home, "proxies", "plain-0", "workload.sock")));
    });

    test("hands out the SVID with its key and roots, and every renewal", async () => {
      const answers = await fetch<SvidAnswer>("FetchX509SVID", "X509SVIDResponse", 2);
      const serials = answers.map(({ svids: [svid, ...more] }) => {
        assert.ok(svid !== undefined && more.length === 0);
        assert.match(svid.spiffeId, /^spiffe:\/\/shop[^/]*\/ns\/default\/sa\/web$/);
        const leaf = new X509Certificate(svid.x509Svid);
        assert.equal(leaf.subjectAltName, `URI:${svid.spiffeId}`);
        assert.ok(leaf.checkPrivateKey(createPrivateKey({ key: svid.x509SvidKey, format: "der", type: "pkcs8" })));
        assert.ok(leaf.verify(new X509Certificate(svid.bundle).publicKey));
        return leaf.serialNumber;
      });
      assert.equal(new Set(serials).size, 2);
    });

    test("hands out the bundles by trust domain", async () => {
      const [answer] = await fetch<{ bundles: Record<string, Buffer> }>("FetchX509Bundles", "X509BundlesResponse", 1);
      const { trustDomain } = await mesh.api().mesh();
      assert.deepEqual(Object.keys(answer?.bundles ?? {}), [`spiffe://${trustDomain}`]);
    });

    test("refuses a call without the security header, and JWT-SVIDs", async () => {
      const isStatus = (code: status) => (error: unknown) => (error as ServiceError).code === code;
      await assert.rejects(
        fetch("FetchX509SVID", "X509SVIDResponse", 1, new Metadata()),
        isStatus(status.INVALID_ARGUMENT),
      );
      await assert.rejects(fetch("FetchJWTBundles", "X509BundlesResponse", 1), isStatus(status.UNIMPLEMENTED));
    });
  });
}

function allowed(): Metadata {
  const metadata = new Metadata();
  metadata.set("workload.spiffe.io", "true");
  return metadata;
}
