import { envoy } from "#gen/protos.js";
import { packAny } from "./pack-any.ts";
import { toDuration } from "./to-duration.ts";

const { HttpProtocolOptions } = envoy.extensions.upstreams.http.v3;
const NAME = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

type Fields = Pick<envoy.config.cluster.v3.Cluster, "typedExtensionProtocolOptions">;

/** HTTP/2 and nothing else: in the clear with prior knowledge, over TLS by ALPN. `idleMs` null = the proxy's default. */
export function createHttp2Options(idleMs: number | null): Fields {
  const options: envoy.extensions.upstreams.http.v3.HttpProtocolOptions = {
    explicitHttpConfig: { http2ProtocolOptions: new Uint8Array(0) },
  };
  if (idleMs !== null) options.commonHttpProtocolOptions = { idleTimeout: toDuration(idleMs) };
  return { typedExtensionProtocolOptions: { [NAME]: packAny(NAME, HttpProtocolOptions, options) } };
}
