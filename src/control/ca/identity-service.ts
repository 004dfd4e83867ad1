import { status, type Metadata } from "@grpc/grpc-js";
import type { Server, ServiceDefinition, ServiceError, sendUnaryData, ServerUnaryCall } from "@grpc/grpc-js";
import { weft } from "#gen/protos.js";
import type { Log } from "../../lib/log.ts";
import { WeftError } from "../../lib/weft-error.ts";
import type { PeerVerifier } from "./peer-verifier.ts";
import type { SvidIssuer } from "./svid-issuer.ts";

export interface IdentityServiceOptions {
  readonly issuer: SvidIssuer;
  readonly verifier: PeerVerifier;
  readonly log: Log;
}

type Call = ServerUnaryCall<weft.v1.SignCertificateRequest, weft.v1.SignCertificateResponse>;

const DEFINITION: ServiceDefinition = {
  signCertificate: {
    path: "/weft.v1.IdentityService/SignCertificate",
    requestStream: false,
    responseStream: false,
    requestSerialize: (message: weft.v1.SignCertificateRequest) =>
      Buffer.from(weft.v1.SignCertificateRequest.encode(message).finish()),
    requestDeserialize: (bytes: Buffer) => weft.v1.SignCertificateRequest.decode(bytes),
    responseSerialize: (message: weft.v1.SignCertificateResponse) =>
      Buffer.from(weft.v1.SignCertificateResponse.encode(message).finish()),
    responseDeserialize: (bytes: Buffer) => weft.v1.SignCertificateResponse.decode(bytes),
  },
};

/** UNAUTHENTICATED: the caller has to join anew. Anything not listed is ours to fix and INTERNAL. */
const STATUS_BY_CODE: ReadonlyMap<string, status> = new Map([
  ["WEFT_CA_UNAUTHENTICATED", status.UNAUTHENTICATED],
  ["WEFT_CA_JOIN_UNKNOWN", status.UNAUTHENTICATED],
  ["WEFT_CA_JOIN_USED", status.UNAUTHENTICATED],
  ["WEFT_CA_JOIN_EXPIRED", status.UNAUTHENTICATED],
  ["WEFT_CA_JOIN_WORKLOAD", status.PERMISSION_DENIED],
  ["WEFT_CA_WORKLOAD", status.PERMISSION_DENIED],
  ["WEFT_CA_REVOKED", status.PERMISSION_DENIED],
  ["WEFT_CA_REQUEST", status.INVALID_ARGUMENT],
  ["WEFT_CA_EXPIRED", status.FAILED_PRECONDITION],
  ["WEFT_STATE_WRITE", status.UNAVAILABLE],
  ["WEFT_STORE_UNREACHABLE", status.UNAVAILABLE],
  ["WEFT_STORE_UNKNOWN_OUTCOME", status.UNAVAILABLE],
  ["WEFT_STORE_FULL", status.UNAVAILABLE],
]);

const BEARER = /^Bearer ([A-Za-z0-9_-]{1,256})$/i;

/** Serves weft.v1.IdentityService. The status message starts with the error's code, then says what to do. */
export function addIdentityService(server: Server, options: IdentityServiceOptions): void {
  server.addService(DEFINITION, {
    signCertificate: (call: Call, respond: sendUnaryData<weft.v1.SignCertificateResponse>) => {
      sign(call, options).then(
        (response) => respond(null, response),
        (error: unknown) => respond(toServiceError(error, call, options.log), null),
      );
    },
  });
}

async function sign(
  call: Call,
  { issuer, verifier, log }: IdentityServiceOptions,
): Promise<weft.v1.SignCertificateResponse> {
  const workload = call.request.workload ?? "";
  const signed = await issuer.sign({
    requestDer: call.request.csrDer ?? new Uint8Array(),
    workload,
    joinCredential: readBearer(call.metadata),
    peer: verifier.identify(call),
  });
  log.info(signed.renewal ? "renewed a certificate" : "admitted a workload", {
    workload,
    spiffeId: signed.spiffeId,
    serialNumber: signed.serialNumber,
    notAfterMs: signed.notAfterMs,
    from: call.getPeer(),
  });
  return {
    certificateChainPem: signed.certificateChainPem,
    trustBundlePem: signed.trustBundlePem,
    notBeforeMs: signed.notBeforeMs,
    notAfterMs: signed.notAfterMs,
  };
}

/** A header of another form counts as a credential nobody granted, never as no credential. */
function readBearer(metadata: Metadata): string | null {
  const values = metadata.get("authorization");
  if (values.length === 0) return null;
  const value = values.length === 1 ? values[0] : "";
  return typeof value === "string" ? (BEARER.exec(value)?.[1] ?? "") : "";
}

function toServiceError(error: unknown, call: Call, log: Log): Partial<ServiceError> {
  const code = error instanceof WeftError ? STATUS_BY_CODE.get(error.code) : undefined;
  const fields = { workload: call.request.workload ?? "", from: call.getPeer(), error };
  if (code === undefined || !(error instanceof WeftError)) {
    log.error("could not sign a certificate", fields);
    return {
      code: status.INTERNAL,
      details: "WEFT_CA_INTERNAL: Cannot sign the certificate: an error of the control plane; see its log",
    };
  }
  log.warn("refused to sign a certificate", fields);
  const hint = error.hint === null ? "" : `. ${error.hint}`;
  return { code, details: `${error.code}: ${error.message}${hint}` };
}
