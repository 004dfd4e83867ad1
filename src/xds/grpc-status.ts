/** gRPC status codes that weft makes or tells apart (grpc/statuscodes). */
export const GRPC_OK = 0;
export const GRPC_CANCELLED = 1;
export const GRPC_UNKNOWN = 2;
export const GRPC_INVALID_ARGUMENT = 3;
export const GRPC_DEADLINE_EXCEEDED = 4;
export const GRPC_PERMISSION_DENIED = 7;
export const GRPC_RESOURCE_EXHAUSTED = 8;
export const GRPC_UNIMPLEMENTED = 12;
export const GRPC_INTERNAL = 13;
export const GRPC_UNAVAILABLE = 14;
export const GRPC_UNAUTHENTICATED = 16;

export interface GrpcStatus {
  readonly code: number;
  readonly message: string;
}

/** How a call ended when it did not end with OK. */
export class GrpcError extends Error {
  readonly code: number;

  constructor(status: GrpcStatus, options?: { readonly cause?: unknown }) {
    super(status.message, options);
    this.name = "GrpcError";
    this.code = status.code;
  }
}

const NAMES: Readonly<Record<number, string>> = {
  0: "OK",
  1: "CANCELLED",
  2: "UNKNOWN",
  3: "INVALID_ARGUMENT",
  4: "DEADLINE_EXCEEDED",
  5: "NOT_FOUND",
  6: "ALREADY_EXISTS",
  7: "PERMISSION_DENIED",
  8: "RESOURCE_EXHAUSTED",
  9: "FAILED_PRECONDITION",
  10: "ABORTED",
  11: "OUT_OF_RANGE",
  12: "UNIMPLEMENTED",
  13: "INTERNAL",
  14: "UNAVAILABLE",
  15: "DATA_LOSS",
  16: "UNAUTHENTICATED",
};

/** E.g. `UNAVAILABLE: the connection was refused`, for logs. */
export function formatGrpcStatus(status: GrpcStatus): string {
  const name = NAMES[status.code] ?? `code ${status.code}`;
  return status.message === "" ? name : `${name}: ${status.message}`;
}

/**
 * The status of a call from its trailers (or from its headers when there was nothing else). Without `grpc-status` the
 * answer did not come from a gRPC server: the HTTP status decides, by the table of grpc/http-grpc-status-mapping.
 */
export function toGrpcStatus(headers: Readonly<Record<string, unknown>>, httpStatus: number): GrpcStatus {
  const text = headers["grpc-status"];
  if (typeof text === "string" && /^\d{1,2}$/.test(text)) {
    const message = headers["grpc-message"];
    return { code: Number(text), message: typeof message === "string" ? decodeGrpcMessage(message) : "" };
  }
  if (httpStatus === 200) return { code: GRPC_UNKNOWN, message: "the response ended without a gRPC status" };
  return { code: HTTP_TO_GRPC[httpStatus] ?? GRPC_UNKNOWN, message: `the server answered HTTP status ${httpStatus}` };
}

const HTTP_TO_GRPC: Readonly<Record<number, number>> = {
  400: GRPC_INTERNAL,
  401: GRPC_UNAUTHENTICATED,
  403: GRPC_PERMISSION_DENIED,
  404: GRPC_UNIMPLEMENTED,
  429: GRPC_UNAVAILABLE,
  502: GRPC_UNAVAILABLE,
  503: GRPC_UNAVAILABLE,
  504: GRPC_UNAVAILABLE,
};

/** The status of a stream that was reset, from its HTTP/2 error code (grpc/PROTOCOL-HTTP2, "Errors"). */
export function fromHttp2Error(rstCode: number): GrpcStatus {
  const code = HTTP2_TO_GRPC[rstCode] ?? GRPC_UNAVAILABLE;
  return { code, message: `the stream was reset with HTTP/2 error code ${rstCode}` };
}

const HTTP2_TO_GRPC: Readonly<Record<number, number>> = {
  1: GRPC_INTERNAL, // PROTOCOL_ERROR
  2: GRPC_INTERNAL, // INTERNAL_ERROR
  3: GRPC_INTERNAL, // FLOW_CONTROL_ERROR
  6: GRPC_INTERNAL, // FRAME_SIZE_ERROR
  7: GRPC_UNAVAILABLE, // REFUSED_STREAM
  8: GRPC_CANCELLED, // CANCEL
  11: GRPC_RESOURCE_EXHAUSTED, // ENHANCE_YOUR_CALM
  12: GRPC_PERMISSION_DENIED, // INADEQUATE_SECURITY
};

/** Percent-decoding as grpc/PROTOCOL-HTTP2 defines it for grpc-message: what is malformed stays as it is. */
function decodeGrpcMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
