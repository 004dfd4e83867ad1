import type { X509Certificate } from "node:crypto";
import type { Clock } from "../time/clock.ts";
import { admitPeer } from "./admit-peer.ts";
import type { MemoryConnection, MemoryHandshake } from "./memory-connection.ts";
import type { MemoryTlsVerifier } from "./memory-tls.ts";
import type { PeerSide } from "../identity/peer-judge.ts";
import type { PeerVerifier, TlsClientOptions, TlsServerOptions } from "./transport.ts";

const PROTOCOL = "TLSv1.3";

/** The caller's side: waits for the server's certificate, verifies it, is open, and sends its own (RFC 8446, 2). */
export function createClientHandshake(
  tls: TlsClientOptions,
  verifier: MemoryTlsVerifier,
  clock: Clock,
): MemoryHandshake {
  return {
    accept(connection, item): boolean {
      if (item.kind !== "serverHello") return false;
      const problem = verifier.checkKeyPair(tls.keyPair);
      const verdict = verifier.verify(item.chainPem, tls.trustBundlePem, clock.wallMs());
      if (problem !== null) connection.refuse(problem);
      else if (!verdict.accepted) connection.refuse(verdict.reason);
      else if (admit(connection, tls.peers, verifier.parse(item.chainPem), "server")) {
        connection.send({ kind: "finished", chainPem: tls.keyPair.certificateChainPem });
        connection.open({ spiffeId: verdict.spiffeId, alpn: item.alpn, protocol: PROTOCOL });
      }
      return true;
    },
  };
}

/** The listener's side: it verifies last, so a caller it refuses was open for a moment, as with real TLS 1.3. */
export function createServerHandshake(
  tls: TlsServerOptions,
  verifier: MemoryTlsVerifier,
  clock: Clock,
): MemoryHandshake {
  let alpn: string | null = null;
  return {
    accept(connection, item): boolean {
      if (item.kind === "hello") {
        const offered = item.tls.alpn;
        alpn = tls.alpn.find((name) => offered.includes(name)) ?? null;
        if (alpn === null && offered.length > 0 && tls.alpn.length > 0) connection.refuse("no application protocol");
        else connection.send({ kind: "serverHello", chainPem: tls.keyPair.certificateChainPem, alpn });
        return true;
      }
      if (item.kind !== "finished") return false;
      const verdict = verifier.verify(item.chainPem, tls.trustBundlePem, clock.wallMs());
      if (!verdict.accepted) connection.refuse(verdict.reason);
      else if (admit(connection, tls.peers, verifier.parse(item.chainPem), "client")) {
        connection.open({ spiffeId: verdict.spiffeId, alpn, protocol: PROTOCOL });
      }
      return true;
    },
  };
}

/** False when the peer was refused. */
function admit(
  connection: MemoryConnection,
  peers: PeerVerifier | undefined,
  chain: readonly X509Certificate[],
  side: PeerSide,
): boolean {
  if (peers === undefined) return true;
  const admission = admitPeer(peers, chain, side, { authorized: true, code: "", isResumed: false });
  if (!admission.admitted) connection.refuse(admission.reason, admission.refusal);
  else if (admission.subject !== null) connection.watch(peers, admission.subject);
  return admission.admitted;
}
