import assert from "node:assert/strict";
import { test } from "node:test";
import { envoy, type google } from "#gen/protos.js";
import { decodeCluster } from "./decode-cluster.ts";

const OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const { HttpProtocolOptions } = envoy.extensions.upstreams.http.v3;
const EMPTY = new Uint8Array(0);

type Options = envoy.extensions.upstreams.http.v3.HttpProtocolOptions;

test("decodeCluster() takes HTTP/1.1, and HTTP/2 for gRPC, where a cluster says nothing", () => {
  assert.equal(decodeCluster(onWire({ name: "app" })).config.appProtocol, "auto");
});

test("decodeCluster() takes an explicit protocol", () => {
  assert.equal(decodeWith({ explicitHttpConfig: { http2ProtocolOptions: EMPTY } }), "http2");
  assert.equal(decodeWith({ explicitHttpConfig: { httpProtocolOptions: {} } }), "http1");
});

const refused: readonly (readonly [title: string, options: Options, message: RegExp])[] = [
  ["the protocol of the downstream", { useDownstreamProtocolConfig: EMPTY }, /useDownstreamProtocolConfig/],
  ["a protocol by ALPN", { autoConfig: EMPTY }, /autoConfig/],
  ["no protocol", {}, /found no protocol; expected explicit_http_config/],
  ["no explicit protocol", { explicitHttpConfig: {} }, /found no protocol; expected HTTP\/1.1 or HTTP\/2/],
  ["HTTP/3", { explicitHttpConfig: { http3ProtocolOptions: EMPTY } }, /http3ProtocolOptions/],
  ["settings of HTTP/2", { explicitHttpConfig: { http2ProtocolOptions: Uint8Array.of(8, 1) } }, /settings of HTTP\/2/],
  ["settings of HTTP/1", { explicitHttpConfig: { httpProtocolOptions: { acceptHttp_10: true } } }, /acceptHttp_10/],
  ["filters", { explicitHttpConfig: { http2ProtocolOptions: EMPTY }, httpFilters: [{ name: "x" }] }, /httpFilters/],
];
for (const [title, options, message] of refused) {
  test(`decodeCluster() refuses ${title} in HttpProtocolOptions`, () => {
    assert.throws(() => decodeWith(options), message);
  });
}

test("decodeCluster() refuses protocol options of another type", () => {
  const any = { typeUrl: "type.googleapis.com/envoy.extensions.Other", value: EMPTY };
  assert.throws(() => decodeCluster(onWire({ name: "app", typedExtensionProtocolOptions: { other: any } })), /Other/);
});

function decodeWith(options: Options): string {
  const any: google.protobuf.Any = {
    typeUrl: `type.googleapis.com/${OPTIONS}`,
    value: HttpProtocolOptions.encode(options).finish(),
  };
  return decodeCluster(onWire({ name: "app", typedExtensionProtocolOptions: { [OPTIONS]: any } })).config.appProtocol;
}

/** As it comes from a control plane: fields at their default are those of a decoded message. */
function onWire(cluster: envoy.config.cluster.v3.Cluster): envoy.config.cluster.v3.Cluster {
  return envoy.config.cluster.v3.Cluster.decode(envoy.config.cluster.v3.Cluster.encode(cluster).finish());
}
