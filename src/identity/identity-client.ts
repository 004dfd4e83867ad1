import { weft } from "#gen/protos.js";
import { WeftError } from "../lib/weft-error.ts";
import type { GrpcChannel } from "../xds/grpc-client.ts";
import {
  formatGrpcStatus,
  GRPC_INVALID_ARGUMENT,
  GRPC_PERMISSION_DENIED,
  GRPC_UNAUTHENTICATED,
  GrpcError,
} from "../xds/grpc-status.ts";
import type { SignCertificate } from "./svid-contract.ts";

const PATH = "/weft.v1.IdentityService/SignCertificate";
/** Signing takes milliseconds; the rest is for a control plane that is starting. */
const DEADLINE_MS = 10_000;

/** Answers about us; any other status is about the control plane or the way to it. */
const REFUSALS: readonly number[] = [GRPC_INVALID_ARGUMENT, GRPC_PERMISSION_DENIED, GRPC_UNAUTHENTICATED];

/**
 * Signing by the control plane. `channel` must present the current SVID in renewals: when the identity changes, its owner
 * calls `GrpcClient.refresh()`.
 */
export function createIdentityClient(channel: GrpcChannel): SignCertificate {
  return async (requestDer, workload, joinCredential) => {
    const request = weft.v1.SignCertificateRequest.encode({ csrDer: requestDer, workload }).finish();
    const metadata = joinCredential === null ? {} : { authorization: `Bearer ${joinCredential}` };
    let answer: Uint8Array;
    try {
      answer = await channel.unary(PATH, request, { deadlineMs: DEADLINE_MS, metadata });
    } catch (error) {
      throw toIdentityError(error, workload);
    }
    const response = weft.v1.SignCertificateResponse.decode(answer);
    return {
      certificateChainPem: response.certificateChainPem ?? "",
      trustBundlePem: response.trustBundlePem ?? "",
      notBeforeMs: response.notBeforeMs ?? 0,
      notAfterMs: response.notAfterMs ?? 0,
    };
  };
}

function toIdentityError(error: unknown, workload: string): WeftError {
  if (error instanceof GrpcError && REFUSALS.includes(error.code)) {
    return new WeftError(
      "WEFT_IDENTITY_REFUSED",
      `Cannot get a certificate for workload "${workload}": the control plane refused: ${error.message}`,
      { cause: error },
    );
  }
  const what = error instanceof GrpcError ? formatGrpcStatus(error) : String(error);
  return new WeftError(
    "WEFT_IDENTITY_UNREACHABLE",
    `Cannot get a certificate for workload "${workload}" from the control plane: ${what}`,
    { cause: error },
  );
}
