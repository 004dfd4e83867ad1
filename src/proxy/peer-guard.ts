import type { X509Certificate } from "node:crypto";
import { PeerJudge } from "../identity/peer-judge.ts";
import type { PeerSide, PeerTrust, PeerVerdict } from "../identity/peer-judge.ts";
import { PEER_REFUSALS } from "../identity/peer-refusal.ts";
import type { PeerRefusal } from "../identity/peer-refusal.ts";
import type { CertificateSubject, RevocationList } from "../identity/revocation-list.ts";
import type { Clock } from "../time/clock.ts";
import type { PeerVerifier, RefusableConnection } from "../transport/transport.ts";

/**
 * Whose connections a proxy accepts and keeps. Every mutual TLS connection, called or accepted, passes here after its
 * handshake and is known until it closes, so that a peer that is revoked later is cut off whatever the connection carries:
 * requests, WebSockets or bytes. One per proxy, for all its certificates.
 */
export class PeerGuard implements PeerVerifier {
  readonly #judge: PeerJudge;
  readonly #clock: Pick<Clock, "wallMs">;
  readonly #open: Map<RefusableConnection, CertificateSubject> = new Map();

  constructor(trust: PeerTrust, clock: Pick<Clock, "wallMs">) {
    this.#judge = new PeerJudge(trust);
    this.#clock = clock;
  }

  judge(chain: readonly X509Certificate[], side: PeerSide): PeerVerdict {
    return this.#judge.judge(chain, side, this.#clock.wallMs());
  }

  opened(connection: RefusableConnection, subject: CertificateSubject): void {
    this.#open.set(connection, subject);
  }

  closed(connection: RefusableConnection): void {
    this.#open.delete(connection);
  }

  /** Other roots. Open connections stay, unless their trust domain is no longer trusted. Throws when one is no certificate. */
  setTrust(trust: PeerTrust): void {
    this.#judge.setTrust(trust);
    this.#recheck();
  }

  /** Cuts off at once who is on the list, and lets nobody in who is. */
  setRevocations(revoked: RevocationList): void {
    this.#judge.setRevocations(revoked);
    this.#recheck();
  }

  #recheck(): void {
    const refused: [RefusableConnection, PeerRefusal, string][] = [];
    for (const [connection, subject] of this.#open) {
      const refusal = this.#judge.refuseStanding(subject);
      if (refusal !== null) refused.push([connection, refusal, subject.spiffeId]);
    }
    // Closing changes the map.
    for (const [connection, refusal, spiffeId] of refused) {
      connection.refuse(`${refusal}: ${PEER_REFUSALS[refusal]} (${spiffeId})`, refusal);
    }
  }
}
