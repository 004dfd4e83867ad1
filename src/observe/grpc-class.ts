/**
 * The HTTP status that says the same as a gRPC status (google/rpc/code.proto), so that both are counted by one rule: 5xx is
 * the failure of the called, 4xx that of the caller. Codes that gRPC does not define count as UNKNOWN.
 */
export function toHttpStatus(grpcStatus: number): number {
  return HTTP_STATUSES[grpcStatus] ?? UNKNOWN_STATUS;
}

/** Codes that gRPC defines: 0 to 16. */
export const GRPC_STATUS_COUNT = 17;
/** What a response that ends without a status, or with one that is none, counts as. */
export const GRPC_STATUS_UNKNOWN = 2;

const UNKNOWN_STATUS = 500;

/** By code. */
const HTTP_STATUSES: readonly number[] = [
  200, // OK
  499, // CANCELLED
  UNKNOWN_STATUS, // UNKNOWN
  400, // INVALID_ARGUMENT
  504, // DEADLINE_EXCEEDED
  404, // NOT_FOUND
  409, // ALREADY_EXISTS
  403, // PERMISSION_DENIED
  429, // RESOURCE_EXHAUSTED
  400, // FAILED_PRECONDITION
  409, // ABORTED
  400, // OUT_OF_RANGE
  501, // UNIMPLEMENTED
  500, // INTERNAL
  503, // UNAVAILABLE
  500, // DATA_LOSS
  401, // UNAUTHENTICATED
];
