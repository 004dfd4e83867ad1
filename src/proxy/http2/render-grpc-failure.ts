import { ACCESS_DENIED, type FailureReport, getFailure } from "../failures.ts";
import type { Head } from "../head.ts";
import { toLocalHead } from "./local-head.ts";

/** Of `grpc-message`, before encoding: what a client shows in one line, and what fits any peer's limit of head bytes. */
const MAX_MESSAGE_CHARACTERS = 1_000;

/**
 * The whole answer that weft makes for a failure of a gRPC call: a head with the end of the stream ("trailers-only" in
 * gRPC over HTTP/2), which clients report as the table's gRPC status with a message in words. `x-weft-failure` has the
 * code's name, as for other requests.
 */
export function renderGrpcFailure(report: FailureReport): Head {
  return toLocalHead(200, `content-type: application/grpc\r\n${report.fields}${renderStatus(report)}`, 0);
}

/** The trailers that end a response which weft breaks off. */
export function renderGrpcTrailers(report: FailureReport): Head {
  return toLocalHead(200, renderStatus(report), 0);
}

function renderStatus(report: FailureReport): string {
  const { code, detail } = report;
  const failure = getFailure(code);
  const message = `weft: ${failure.name}: ${failure.explanation}${detail === null ? "" : ` ${detail}`}${hint(code)}`;
  return (
    `grpc-status: ${report.grpcStatus < 0 ? failure.grpcStatus : report.grpcStatus}\r\n` +
    `grpc-message: ${encodeGrpcMessage(message)}\r\n` +
    `x-weft-failure: ${failure.name}\r\n`
  );
}

/** Percent-encoding as gRPC over HTTP/2 defines it: UTF-8, of which visible ASCII but `%` and the space stay. */
export function encodeGrpcMessage(text: string): string {
  let encoded = "";
  for (const byte of Buffer.from(text.slice(0, MAX_MESSAGE_CHARACTERS).trim(), "utf8")) {
    encoded +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

function hint(code: number): string {
  return code === ACCESS_DENIED ? " What is allowed now: weft get traffictargets" : "";
}
