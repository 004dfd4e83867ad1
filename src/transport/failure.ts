import { PEER_REFUSALS } from "../identity/peer-refusal.ts";
import type { PeerRefusal } from "../identity/peer-refusal.ts";
import type { TransportFailure } from "./transport.ts";

/** How far a connection had come when it failed. */
export type ConnectionPhase = "connecting" | "handshaking" | "open";

export const DESTROYED: TransportFailure = { kind: "local", message: "destroyed by this side" };

/**
 * What an error of the platform means, by the phase it came in: before the TCP connection, between it and the end of the
 * TLS handshake, or later. The message keeps the platform's code, which is what people search for.
 */
export function toTransportFailure(error: unknown, phase: ConnectionPhase, remote: string): TransportFailure {
  const code = readText(error, "code");
  const detail = describe(error, code);
  if (phase === "connecting") {
    if (code === "ETIMEDOUT") return { kind: "timeout", message: `cannot connect to ${remote}: ${detail}` };
    const kind = code === "ECONNRESET" ? "reset" : "refused";
    return { kind, message: `cannot connect to ${remote}: ${detail}` };
  }
  if (phase === "handshaking") return createHandshakeFailure(remote, detail);
  // An alert after the handshake is how a TLS 1.3 server refuses our certificate (RFC 8446, 4.4.2.4).
  if (isTlsCode(code)) return { kind: "tls", message: `TLS with ${remote} failed: ${detail}` };
  if (code === "ETIMEDOUT") return { kind: "reset", message: `${remote} vanished: ${detail}` };
  return { kind: "reset", message: `connection to ${remote} was reset: ${detail}` };
}

/** A handshake that the platform broke off. BoringSSL looks at one fault of certificates before the chain is verified. */
export function createHandshakeFailure(remote: string, detail: string): TransportFailure {
  if (!detail.includes("KEY_USAGE_BIT_INCORRECT")) return createTlsFailure(remote, detail);
  const refusal = "peer_wrong_usage";
  return createRefusal(remote, "handshaking", { reason: `${refusal}: ${PEER_REFUSALS[refusal]} (${detail})`, refusal });
}

export function createTlsFailure(remote: string, detail: string): TransportFailure {
  return { kind: "tls", message: `TLS handshake with ${remote} failed: ${detail}` };
}

export function createTimeoutFailure(remote: string, phase: ConnectionPhase, timeoutMs: number): TransportFailure {
  const what = phase === "handshaking" ? "the TLS handshake did not end" : "no answer";
  return { kind: "timeout", message: `cannot connect to ${remote}: ${what} within ${timeoutMs} ms` };
}

/** For a connection whose peer's certificate is refused (null: for something else about TLS), in its handshake or later. */
export function createRefusal(
  remote: string,
  phase: ConnectionPhase,
  cause: { readonly reason: string; readonly refusal: PeerRefusal | null },
): TransportFailure {
  const { reason, refusal } = cause;
  const failure = createTlsFailure(remote, reason);
  if (refusal === null) return failure;
  return phase === "open"
    ? { kind: "tls", message: `connection to ${remote} was cut: ${reason}`, refusal }
    : { ...failure, refusal };
}

/** The platform closed the connection without an error although not both sides had ended. */
export function createVanishedFailure(remote: string, phase: ConnectionPhase): TransportFailure {
  if (phase === "handshaking") return createTlsFailure(remote, "the peer closed the connection");
  return { kind: "reset", message: `connection to ${remote} was closed before both sides ended` };
}

/** Which host a failure is about. */
export function formatRemote(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function isTlsCode(code: string): boolean {
  return code.startsWith("ERR_SSL") || code.startsWith("ERR_TLS") || code === "EPROTO";
}

function describe(error: unknown, code: string): string {
  const message = readText(error, "message");
  const reason = readText(error, "reason");
  const text = reason !== "" ? reason : message;
  if (code === "" || text.includes(code)) return text === "" ? "unknown error" : text;
  return text === "" ? code : `${text} (${code})`;
}

function readText(error: unknown, name: string): string {
  if (typeof error !== "object" || error === null) return "";
  const value: unknown = Reflect.get(error, name);
  return typeof value === "string" ? value : "";
}
