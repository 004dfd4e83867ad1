import { envoy } from "#gen/protos.js";
import { formatServerCertificate, TRUST_BUNDLE_SECRET } from "../../xds/names.ts";
import type { ServerCertificateModel } from "../model/ingress-model.ts";
import type { ResourceRecipe } from "./resource-set.ts";

const { Secret } = envoy.extensions.transport_sockets.tls.v3;

/** The mesh's roots. Not secret in the usual sense: a certificate authority's certificates are public. */
export function listSecrets(trustBundlePem: string): ResourceRecipe[] {
  const secret = { name: TRUST_BUNDLE_SECRET, validationContext: { trustedCa: { inlineString: trustBundlePem } } };
  return [{ name: TRUST_BUNDLE_SECRET, inputs: [trustBundlePem], encode: () => Secret.encode(secret).finish() }];
}

/** For the gateway alone: each holds a private key. */
export function listServerCertificates(certificates: readonly ServerCertificateModel[]): ResourceRecipe[] {
  return certificates.map(({ name: key, certificateChainPem, keyPem }) => {
    const name = formatServerCertificate(key);
    const tlsCertificate = {
      certificateChain: { inlineString: certificateChainPem },
      privateKey: { inlineString: keyPem },
    };
    const encode = (): Uint8Array => Secret.encode({ name, tlsCertificate }).finish();
    return { name, inputs: [certificateChainPem, keyPem], encode };
  });
}
