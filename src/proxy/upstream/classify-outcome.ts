import type { Exchange } from "../exchange.ts";
import type { Head } from "../head.ts";
import {
  CIRCUIT_OPEN,
  CONNECT_FAILED,
  CONNECT_TIMEOUT,
  DEADLINE_PASSED,
  NO_FAILURE,
  OVERFLOW,
  OVERLOADED,
  PEER_IDENTITY,
  RATE_LIMITED,
  STREAM_IDLE,
  TIMEOUT,
  TLS_FAILED,
  TRY_TIMEOUT,
  UPSTREAM_PROTOCOL,
  UPSTREAM_REFUSED,
  UPSTREAM_RESET,
  APP_UNREACHABLE,
  getFailure,
  parseFailureName,
} from "../failures.ts";
import { NO_GRPC_STATUS } from "../grpc-head.ts";
import { FIELD_WEFT_FAILURE } from "../head.ts";
import {
  OUTCOME_ABANDONED,
  OUTCOME_ERROR,
  OUTCOME_GATEWAY_ERROR,
  OUTCOME_OK,
  OUTCOME_RESET,
  OUTCOME_THROTTLED,
  OUTCOME_TIMEOUT,
} from "./attempt-outcome.ts";

/** A caller in such a hurry that its deadline says more about it than about the instance. */
const HASTY_MS = 100;

const GRPC_OUTCOMES: readonly number[] = [
  OUTCOME_OK, // OK
  OUTCOME_ABANDONED, // CANCELLED
  OUTCOME_ERROR, // UNKNOWN
  OUTCOME_OK, // INVALID_ARGUMENT
  OUTCOME_TIMEOUT, // DEADLINE_EXCEEDED
  OUTCOME_OK, // NOT_FOUND
  OUTCOME_OK, // ALREADY_EXISTS
  OUTCOME_OK, // PERMISSION_DENIED
  OUTCOME_THROTTLED, // RESOURCE_EXHAUSTED
  OUTCOME_OK, // FAILED_PRECONDITION
  OUTCOME_OK, // ABORTED
  OUTCOME_OK, // OUT_OF_RANGE
  OUTCOME_ERROR, // UNIMPLEMENTED
  OUTCOME_ERROR, // INTERNAL
  OUTCOME_GATEWAY_ERROR, // UNAVAILABLE
  OUTCOME_ERROR, // DATA_LOSS
  OUTCOME_OK, // UNAUTHENTICATED
];

/** What a response head says about its instance. For gRPC only where the head has the status. */
export function classifyHead(x: Exchange, head: Head): number {
  if (head.status < 400 && !x.grpc) return OUTCOME_OK;
  if (x.cluster !== null && x.cluster.config.peerIdentities !== null) {
    const index = head.find(FIELD_WEFT_FAILURE);
    const code = index < 0 ? NO_FAILURE : parseFailureName(head.valueText(index));
    if (code !== NO_FAILURE) return classifyPeerFailure(code);
  }
  return x.grpc ? classifyGrpc(x.grpcStatus) : classifyStatus(head.status);
}

export function classifyGrpc(status: number): number {
  if (status === NO_GRPC_STATUS) return OUTCOME_ERROR;
  return GRPC_OUTCOMES[status] ?? OUTCOME_ERROR;
}

/** What the failure of an attempt, or of the exchange while an attempt was under way, says about the instance. */
export function classifyFailure(x: Exchange, code: number): number {
  switch (code) {
    case CONNECT_FAILED:
    case CONNECT_TIMEOUT:
    case TLS_FAILED:
    case PEER_IDENTITY:
    case UPSTREAM_RESET:
    case UPSTREAM_PROTOCOL:
    case APP_UNREACHABLE:
      return OUTCOME_RESET;
    case TIMEOUT:
    case TRY_TIMEOUT:
    case STREAM_IDLE:
      return OUTCOME_TIMEOUT;
    case DEADLINE_PASSED:
      return x.deadlineMs - x.startedMs < HASTY_MS ? OUTCOME_ABANDONED : OUTCOME_TIMEOUT;
    default:
      return OUTCOME_ABANDONED;
  }
}

/** The proxy beside the instance answered in its place. */
function classifyPeerFailure(code: number): number {
  switch (code) {
    case OVERLOADED:
    case OVERFLOW:
    case RATE_LIMITED:
    case CIRCUIT_OPEN:
      return OUTCOME_THROTTLED;
    case UPSTREAM_REFUSED:
    case DEADLINE_PASSED:
      return OUTCOME_ABANDONED;
    case CONNECT_FAILED:
    case CONNECT_TIMEOUT:
    case UPSTREAM_RESET:
    case UPSTREAM_PROTOCOL:
    case APP_UNREACHABLE:
      return OUTCOME_RESET;
    case TIMEOUT:
    case TRY_TIMEOUT:
      return OUTCOME_TIMEOUT;
    default:
      return classifyStatus(getFailure(code).httpStatus);
  }
}

function classifyStatus(status: number): number {
  if (status === 429) return OUTCOME_THROTTLED;
  if (status < 500) return OUTCOME_OK;
  return status >= 502 && status <= 504 ? OUTCOME_GATEWAY_ERROR : OUTCOME_ERROR;
}
