// Two meshes that exchange their roots: who is believed, and that being believed allows nothing by itself.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { within } from "../../src/testing/within.ts";
import { Mesh } from "./mesh.ts";
import { waitUntil } from "./wait-until.ts";

function toYaml(name: string): string {
  return `
mesh: ${name}
services:
  web: { command: node echo.mjs }
`;
}

describe("federation", { concurrency: false }, () => {
  let shop: Mesh;
  let bank: Mesh;

  before(async () => {
    shop = await Mesh.start({ yaml: toYaml("shop") });
    bank = await Mesh.start({ yaml: toYaml("bank") });
  });

  after(async () => {
    await shop.stop();
    await bank.stop();
  });

  /** What bank's web gets from shop's proxy: the head of the answer, or "" when the connection ends without one. */
  async function callShop(): Promise<string> {
    const [bankWeb, shopWeb] = [await bank.identity("web-0"), await shop.identity("web-0")];
    const socket = connectTls({
      host: "127.0.0.1",
      port: await shop.inboundPort("web-0"),
      cert: bankWeb.certificateChainPem,
      key: bankWeb.keyPem,
      ca: shopWeb.trustBundlePem,
      checkServerIdentity: () => undefined,
      ALPNProtocols: ["http/1.1"],
    });
    let text = "";
    socket.on("error", () => undefined);
    socket.on("data", (bytes: Buffer) => (text += bytes.toString("latin1")));
    socket.write("GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n");
    await within(
      "shop's proxy to answer or hang up",
      once(socket, "close").catch(() => undefined),
    );
    return text;
  }

  async function bundleOf(mesh: Mesh): Promise<string> {
    const { code, stdout, stderr } = await mesh.weft(["identity", "bundle", "--format", "resource"]);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  test("nobody of another trust domain is let in before its roots are there", async () => {
    assert.equal(await callShop(), "");
  });

  test("with its roots a caller is known by its SPIFFE ID, and denied as no policy names it", async () => {
    const applied = await shop.weft(["apply", "-f", "-"], await bundleOf(bank));
    assert.equal(applied.code, 0, applied.stderr);
    const answer = await waitUntil("shop's proxy to answer", async () => (await callShop()) || null);
    assert.match(answer, /^HTTP\/1\.1 403 /);
    assert.match(answer, /x-weft-failure: access_denied/);
    assert.match(answer, /spiffe:\/\/bank[^/]*\/ns\/default\/sa\/web/);
  });

  test("an IdentityBinding lets a rule name the caller of the other domain", async () => {
    const { spiffeId } = await bank.identity("web-0");
    const metadata = { name: "bank", namespace: "default" };
    const [access, specs] = ["access.smi-spec.io/v1alpha4", "specs.smi-spec.io/v1alpha4"];
    const api = shop.api();
    const match = { name: "any", pathRegex: ".*", methods: ["*"] };
    await api.apply({ apiVersion: specs, kind: "HTTPRouteGroup", metadata, spec: { matches: [match] } });
    await api.apply({
      apiVersion: access,
      kind: "IdentityBinding",
      metadata,
      spec: { schemes: { spiffeIdentities: [spiffeId] } },
    });
    await api.apply({
      apiVersion: access,
      kind: "TrafficTarget",
      metadata,
      spec: {
        destination: { kind: "ServiceAccount", name: "web", namespace: "default" },
        rules: [{ kind: "HTTPRouteGroup", name: "bank" }],
        sources: [{ kind: "IdentityBinding", name: "bank" }],
      },
    });
    await waitUntil("the caller to be let in", async () => (await callShop()).startsWith("HTTP/1.1 200 "));
    await api.delete({ group: "access.smi-spec.io", kind: "IdentityBinding", ...metadata });
    await waitUntil("nobody is named any more", async () => (await callShop()).startsWith("HTTP/1.1 403 "));
  });

  test("bank does not believe shop, which gave it nothing", async () => {
    assert.match(await bundleOf(shop), /kind: TrustBundle/);
    const { items } = await bank.api().list({ group: "weft.dev", kind: "TrustBundle" });
    assert.deepEqual(items, []);
  });

  test("an identity of the other domain can be revoked", async () => {
    const { spiffeId } = await bank.identity("web-0");
    const revoked = await shop.weft(["identity", "revoke", spiffeId]);
    assert.equal(revoked.code, 0, revoked.stderr);
    await waitUntil("the caller to be refused", async () => (await callShop()) === "");
    assert.equal((await shop.weft(["identity", "unrevoke", spiffeId])).code, 0);
    await waitUntil("the caller to be let in", async () => (await callShop()) !== "");
  });

  test("without the roots it is refused again", async () => {
    const { trustDomain } = await bank.api().mesh();
    const deleted = await shop.weft(["delete", "trustbundle", trustDomain]);
    assert.equal(deleted.code, 0, deleted.stderr);
    await waitUntil("the caller to be refused", async () => (await callShop()) === "");
  });
});
