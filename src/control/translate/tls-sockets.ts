import { envoy } from "#gen/protos.js";
import { IDENTITY_SECRET, OWN_CERTIFICATE_SECRET, TRUST_BUNDLE_SECRET } from "../../xds/names.ts";
import { ADS_SOURCE } from "./ads-source.ts";
import { packAny } from "./pack-any.ts";

type CommonTlsContext = envoy.extensions.transport_sockets.tls.v3.CommonTlsContext;
type SdsSecretConfig = envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig;

const TLS = envoy.extensions.transport_sockets.tls.v3;
const SOCKET_NAME = "envoy.transport_sockets.tls";
const { TLSv1_2, TLSv1_3 } = TLS.TlsParameters.TlsProtocol;

/** The proxy makes this secret itself: no source. */
const IDENTITY: SdsSecretConfig = { name: IDENTITY_SECRET };
const TRUST_BUNDLE: SdsSecretConfig = { name: TRUST_BUNDLE_SECRET, sdsConfig: ADS_SOURCE };

/** Mutual TLS 1.3 to a server whose SPIFFE ID is one of `spiffeIds` (at least one: none would mean any). */
export function createUpstreamTls(
  spiffeIds: readonly string[],
  alpnProtocols: readonly string[],
): envoy.config.core.v3.TransportSocket {
  const { URI } = TLS.SubjectAltNameMatcher.SanType;
  const commonTlsContext: CommonTlsContext = {
    ...ownSide(alpnProtocols),
    combinedValidationContext: {
      defaultValidationContext: {
        matchTypedSubjectAltNames: spiffeIds.map((exact) => ({ sanType: URI, matcher: { exact } })),
      },
      validationContextSdsSecretConfig: TRUST_BUNDLE,
    },
  };
  const typedConfig = packAny("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", TLS.UpstreamTlsContext, {
    commonTlsContext,
  });
  return { name: SOCKET_NAME, typedConfig };
}

/** Mutual TLS 1.3 with any client of the mesh; who may do what is a matter of access rules. */
export function createDownstreamTls(alpnProtocols: readonly string[]): envoy.config.core.v3.TransportSocket {
  const typedConfig = packAny(
    "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
    TLS.DownstreamTlsContext,
    {
      commonTlsContext: { ...ownSide(alpnProtocols), validationContextSdsSecretConfig: TRUST_BUNDLE },
      requireClientCertificate: { value: true },
    },
  );
  return { name: SOCKET_NAME, typedConfig };
}

/** TLS with clients from outside the mesh, who prove nothing: 1.2 or later, with one server certificate. */
export function createServerTls(secret: string): envoy.config.core.v3.TransportSocket {
  // The proxy makes its own by itself: no source.
  const source = secret === OWN_CERTIFICATE_SECRET ? {} : { sdsConfig: ADS_SOURCE };
  const typedConfig = packAny(
    "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
    TLS.DownstreamTlsContext,
    {
      commonTlsContext: {
        tlsParams: { tlsMinimumProtocolVersion: TLSv1_2, tlsMaximumProtocolVersion: TLSv1_3 },
        tlsCertificateSdsSecretConfigs: [{ name: secret, ...source }],
        alpnProtocols: ["h2", "http/1.1"],
      },
    },
  );
  return { name: SOCKET_NAME, typedConfig };
}

function ownSide(alpnProtocols: readonly string[]): CommonTlsContext {
  return {
    tlsParams: { tlsMinimumProtocolVersion: TLSv1_3, tlsMaximumProtocolVersion: TLSv1_3 },
    tlsCertificateSdsSecretConfigs: [IDENTITY],
    alpnProtocols: [...alpnProtocols],
  };
}
