import { PEER_REFUSALS } from "../identity/peer-refusal.ts";

/**
 * Every way an exchange can fail, in one table. Nothing else maps errors outward: the answer to the client, the access
 * log's flag, the metric label and docs/errors.md all come from here. A failure is its integer index; its name is what
 * users meet in the response header `x-weft-failure`.
 */
export interface Failure {
  readonly name: string;
  /** Who is at fault: the caller, whoever is called, this proxy's rules and limits, or missing configuration. */
  readonly origin: "downstream" | "upstream" | "local" | "control";
  /**
   * May another attempt be made? `unsent`: the request surely did not reach the app, so always; `reused`: only for
   * idempotent methods, as the app may have seen it; `never`.
   */
  readonly retry: "unsent" | "reused" | "never";
  readonly httpStatus: number;
  /** gRPC status code (https://grpc.io/docs/guides/status-codes/). */
  readonly grpcStatus: number;
  /** Short flag in the access log, Envoy's word where it has one. */
  readonly flag: string;
  /** One sentence for the answer's body and the documentation. */
  readonly explanation: string;
}

/** One failure as it is told to the caller. */
export interface FailureReport {
  readonly code: number;
  /** More about this one than the table knows; null when there is nothing to add. */
  readonly detail: string | null;
  /** In place of the table's; 0 = the table's. */
  readonly status: number;
  /** In place of the table's; -1 = the table's. */
  readonly grpcStatus: number;
  /** More header lines, each ended by CRLF; "" = none. */
  readonly fields: string;
}

export function reportFailure(code: number, detail: string | null): FailureReport {
  return { code, detail, status: 0, grpcStatus: -1, fields: "" };
}

export const NO_FAILURE = 0;
export const BAD_REQUEST = 1;
export const HEADERS_TOO_LARGE = 2;
export const URI_TOO_LONG = 3;
export const NOT_IMPLEMENTED = 4;
export const VERSION_UNSUPPORTED = 5;
export const EXPECTATION_FAILED = 6;
export const LENGTH_REQUIRED = 7;
export const UPGRADE_UNSUPPORTED = 8;
export const CONNECT_UNSUPPORTED = 9;
export const BAD_PATH = 10;
export const DOWNSTREAM_CLOSED = 11;
export const DOWNSTREAM_TIMEOUT = 12;
export const NO_ROUTE = 13;
export const NO_CLUSTER = 14;
export const NO_ENDPOINT = 15;
export const CONNECT_FAILED = 16;
export const CONNECT_TIMEOUT = 17;
export const TLS_FAILED = 18;
export const PEER_IDENTITY = 19;
export const UPSTREAM_RESET = 20;
export const UPSTREAM_PROTOCOL = 21;
export const TIMEOUT = 22;
export const OVERFLOW = 23;
export const ACCESS_DENIED = 24;
export const EGRESS_DENIED = 25;
export const LOOP_DETECTED = 26;
export const NO_IDENTITY = 27;
export const APP_UNREACHABLE = 28;
export const NOT_READY = 29;
export const INTERNAL = 30;
export const TUNNEL_IDLE = 31;
export const DRAINED = 32;
export const UPSTREAM_REFUSED = 33;
export const RATE_LIMITED = 34;
export const OVERLOADED = 35;
export const CIRCUIT_OPEN = 36;
export const DEADLINE_PASSED = 37;
export const TRY_TIMEOUT = 38;
export const STREAM_IDLE = 39;
export const FAULT_ABORT = 40;
export const FAULT_RESET = 41;
export const NOT_CACHED = 42;

export const FAILURES: readonly Failure[] = [
  row("none", "local", "never", 200, 0, "-", "Nothing failed."),
  row(
    "bad_request",
    "downstream",
    "never",
    400,
    3,
    "DPE",
    "The request is not well-formed HTTP, or could be read in two ways.",
  ),
  row(
    "headers_too_large",
    "downstream",
    "never",
    431,
    8,
    "DPE",
    "The request has more header bytes or fields than the proxy accepts.",
  ),
  row("uri_too_long", "downstream", "never", 414, 3, "DPE", "The request target is longer than the proxy accepts."),
  row(
    "not_implemented",
    "downstream",
    "never",
    501,
    12,
    "DPE",
    "The request uses a transfer coding that the proxy does not implement.",
  ),
  row(
    "version_unsupported",
    "downstream",
    "never",
    505,
    12,
    "DPE",
    "The request has an HTTP version that the proxy does not speak on this connection.",
  ),
  row(
    "expectation_failed",
    "downstream",
    "never",
    417,
    3,
    "DPE",
    "The request has an expectation other than 100-continue.",
  ),
  row("length_required", "downstream", "never", 411, 3, "DPE", "The request has a body without a length."),
  row(
    "upgrade_unsupported",
    "local",
    "never",
    501,
    12,
    "DPE",
    "The request asks for a protocol upgrade that the connection to the chosen instance cannot carry.",
  ),
  row(
    "connect_unsupported",
    "local",
    "never",
    501,
    12,
    "DPE",
    "CONNECT came where the proxy opens no tunnels: only the outbound listener of a sidecar does.",
  ),
  row(
    "bad_path",
    "downstream",
    "never",
    400,
    3,
    "DPE",
    "The path has an encoding that servers read in different ways, such as %2F or a backslash.",
  ),
  row(
    "downstream_closed",
    "downstream",
    "never",
    499,
    1,
    "DC",
    "The caller closed its connection before the response was complete.",
  ),
  row("downstream_timeout", "downstream", "never", 408, 4, "DT", "The caller did not send its whole request in time."),
  row(
    "no_route",
    "local",
    "never",
    404,
    12,
    "NR",
    "No service or route of the mesh matches the request's host and path.",
  ),
  row(
    "no_cluster",
    "control",
    "unsent",
    503,
    14,
    "NC",
    "The route names a service whose configuration has not arrived.",
  ),
  row("no_endpoint", "upstream", "unsent", 503, 14, "UH", "The service has no ready instance."),
  row("connect_failed", "upstream", "unsent", 503, 14, "UF", "No connection to the chosen instance could be opened."),
  row(
    "connect_timeout",
    "upstream",
    "unsent",
    503,
    14,
    "UF",
    "The connection to the chosen instance was not open in time.",
  ),
  row(
    "tls_failed",
    "upstream",
    "unsent",
    503,
    14,
    "UF",
    "The TLS handshake with the chosen instance failed; nothing was sent, as plaintext is never tried.",
  ),
  row(
    "peer_identity",
    "upstream",
    "unsent",
    503,
    14,
    "UF",
    "The instance proved an identity that does not belong to the service.",
  ),
  row(
    "upstream_reset",
    "upstream",
    "reused",
    502,
    14,
    "UR",
    "The instance closed the connection before its response was complete.",
  ),
  row("upstream_protocol", "upstream", "never", 502, 13, "UPE", "The instance's response is not well-formed HTTP."),
  row("timeout", "upstream", "never", 504, 4, "UT", "The response was not complete before the route's timeout."),
  row(
    "overflow",
    "local",
    "never",
    503,
    8,
    "UO",
    "The limit of connections and waiting requests to the service is reached.",
  ),
  row("access_denied", "local", "never", 403, 7, "RBAC", "No policy allows this caller to make this request."),
  row(
    "egress_denied",
    "local",
    "never",
    403,
    7,
    "NR",
    "The host is not part of the mesh, and the mesh forbids calls to other hosts.",
  ),
  row("loop_detected", "local", "never", 508, 13, "NR", "The request would come back to this proxy."),
  row(
    "no_identity",
    "control",
    "unsent",
    503,
    14,
    "UF",
    "The proxy has no valid certificate yet, and never sends without one.",
  ),
  row("app_unreachable", "upstream", "unsent", 503, 14, "UF", "The app beside the proxy does not accept connections."),
  row("not_ready", "control", "unsent", 503, 14, "NC", "The proxy has not received its configuration yet."),
  row(
    "internal",
    "local",
    "never",
    500,
    13,
    "UC",
    "The proxy found its own state inconsistent and gave up on this one request.",
  ),
  row(
    "tunnel_idle",
    "downstream",
    "never",
    408,
    4,
    "SI",
    "No byte passed through the tunnel, either way, for as long as an idle one is kept.",
  ),
  row(
    "drained",
    "local",
    "never",
    503,
    14,
    "DR",
    "The proxy stopped, and the tunnel was still open when its time to drain was over.",
  ),
  row(
    "upstream_refused",
    "upstream",
    "unsent",
    503,
    14,
    "UR",
    "The instance refused the request before it looked at it, as it is stopping or has too many.",
  ),
  row("rate_limited", "local", "never", 429, 8, "RL", "More requests came than a rate limit allows."),
  row(
    "overloaded",
    "local",
    "unsent",
    503,
    14,
    "OV",
    "The app has as many requests as it can work on, and this one had waited long enough or counted for less than others.",
  ),
  row(
    "circuit_open",
    "local",
    "never",
    503,
    14,
    "CB",
    "The circuit breaker is open: too many of the last requests failed or were slow, and few are let through until that ends.",
  ),
  row(
    "deadline_passed",
    "downstream",
    "never",
    504,
    4,
    "DT",
    "The time that the caller gave the request was over, so nobody waits for its answer.",
  ),
  row("try_timeout", "upstream", "reused", 504, 4, "UT", "The instance did not answer within the time of one attempt."),
  row(
    "stream_idle",
    "upstream",
    "never",
    504,
    4,
    "SI",
    "No byte of the response or the request came for as long as a quiet stream is kept.",
  ),
  row(
    "fault_abort",
    "local",
    "never",
    503,
    14,
    "FI",
    "A fault that a TrafficPolicy asks for answered in the app's place.",
  ),
  row("fault_reset", "local", "never", 503, 14, "FI", "A fault that a TrafficPolicy asks for broke the request off."),
  row(
    "not_cached",
    "local",
    "never",
    504,
    14,
    "NC",
    "The request asks for a stored response only (only-if-cached), and there is none.",
  ),
  ...Object.entries(PEER_REFUSALS).map(([name, text]) => row(name, "upstream", "unsent", 503, 14, "UF", text)),
];

/** The failure a decoder's verdict stands for. */
export function toDecodeFailureCode(status: number): number {
  switch (status) {
    case 411:
      return LENGTH_REQUIRED;
    case 414:
      return URI_TOO_LONG;
    case 417:
      return EXPECTATION_FAILED;
    case 431:
      return HEADERS_TOO_LARGE;
    case 501:
      return NOT_IMPLEMENTED;
    case 505:
      return VERSION_UNSUPPORTED;
    default:
      return BAD_REQUEST;
  }
}

/** Never undefined: an unknown code reads as `internal`. */
export function getFailure(code: number): Failure {
  const failure = FAILURES[code] ?? FAILURES[INTERNAL];
  if (failure === undefined) throw new RangeError("The failure table is empty");
  return failure;
}

/** The code of a failure name (a PeerRefusal, or as found in `x-weft-failure`), or NO_FAILURE when it is not one of ours. */
export function parseFailureName(name: string): number {
  return CODE_BY_NAME.get(name) ?? NO_FAILURE;
}

function row(
  name: string,
  origin: Failure["origin"],
  retry: Failure["retry"],
  ...rest: readonly [httpStatus: number, grpcStatus: number, flag: string, explanation: string]
): Failure {
  const [httpStatus, grpcStatus, flag, explanation] = rest;
  return { name, origin, retry, httpStatus, grpcStatus, flag, explanation };
}

const CODE_BY_NAME: ReadonlyMap<string, number> = new Map(FAILURES.map((failure, code) => [failure.name, code]));
