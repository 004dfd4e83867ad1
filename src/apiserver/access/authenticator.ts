import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import type { Clock } from "../../time/clock.ts";
import { formatWallTime } from "../../time/wall-time.ts";
import { StatusError } from "../status.ts";
import { HOME_PRINCIPAL, type Principal } from "./principal.ts";
import type { KnownCredential, UserDirectory } from "./user-directory.ts";
import type { ReadUserCertificate, UserCertificate } from "./user-certificate.ts";

export interface AuthenticatorOptions {
  /** Of the mesh's home. */
  readonly token: string;
  readonly users: Pick<UserDirectory, "findToken" | "findCertificate">;
  /** Null: client certificates are not looked at. */
  readonly readCertificate: ReadUserCertificate | null;
  readonly clock: Clock;
}

/** Says who sent a request; asked again, the same of the same credential, when users changed. */
export interface Credential {
  /** Throws StatusError Unauthorized. */
  authenticate(): Authenticated;
}

export interface Authenticated {
  readonly principal: Principal;
  /** Wall clock; from then on the credential is worth nothing. Infinite when it does not end. */
  readonly notAfterMs: number;
}

const HOME: Authenticated = { principal: HOME_PRINCIPAL, notAfterMs: Number.POSITIVE_INFINITY };

/**
 * Finds out who sends a request: by the token in `authorization: Bearer`, else by the client's certificate. A token that
 * is wrong is refused even beside a good certificate, so that nobody acts as somebody they did not mean to be.
 */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #homeDigest: Buffer;
  /** A signature is checked once a connection. */
  readonly #certificates: WeakMap<TLSSocket, UserCertificate | string> = new WeakMap();

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
    this.#homeDigest = digest(options.token);
  }

  /** Throws StatusError Unauthorized when there is none, or one that cannot be read. */
  read(request: IncomingMessage): Credential {
    const header = request.headers.authorization ?? "";
    if (header !== "") {
      const hash = digest(parseBearer(header));
      return { authenticate: () => this.#byToken(hash) };
    }
    const certificate = this.#readCertificate(request);
    if (certificate !== null) return { authenticate: () => this.#byCertificate(certificate) };
    throw unauthorized("no credentials", "`authorization: Bearer <token>`, or a client certificate over TLS");
  }

  /** The time taken says nothing about how much of a wrong token was right: only hashes are compared. */
  #byToken(hash: Buffer): Authenticated {
    if (timingSafeEqual(hash, this.#homeDigest)) return HOME;
    const found = this.#options.users.findToken(hash.toString("hex"));
    if (found === null) {
      throw unauthorized(
        "a token that is not this mesh's",
        "the one in its state folder, or one of a user who has not been removed",
      );
    }
    return this.#inForce(found, found.notAfterMs, "token");
  }

  #byCertificate(certificate: UserCertificate | string): Authenticated {
    if (typeof certificate === "string") throw unauthorized(certificate, "one that `weft user` made for this mesh");
    const { notBeforeMs, sha256, user } = certificate;
    const found = this.#options.users.findCertificate(sha256);
    if (found === null || found.principal.name !== user) {
      throw unauthorized(
        `a certificate of the user "${user}" that is not in force`,
        "one of a user who has not been removed",
      );
    }
    if (!(notBeforeMs <= this.#options.clock.wallMs())) {
      throw unauthorized(`a certificate of the user "${user}" from the future`, "one that is valid now");
    }
    return this.#inForce(found, Math.min(found.notAfterMs, certificate.notAfterMs), "certificate");
  }

  /** Written so that a time that did not parse (NaN) refuses. */
  #inForce({ principal }: KnownCredential, notAfterMs: number, what: string): Authenticated {
    if (this.#options.clock.wallMs() < notAfterMs) return { principal, notAfterMs };
    const ended = Number.isNaN(notAfterMs) ? "at an unknown time" : `at ${formatWallTime(notAfterMs)}`;
    throw unauthorized(
      `a ${what} of the user "${principal.name}" that expired ${ended}`,
      "one that is still valid; an admin makes one with `weft user add`",
    );
  }

  #readCertificate({ socket }: IncomingMessage): UserCertificate | string | null {
    const { readCertificate } = this.#options;
    if (readCertificate === null || !(socket instanceof TLSSocket)) return null;
    const known = this.#certificates.get(socket);
    if (known !== undefined) return known;
    const presented = socket.getPeerX509Certificate();
    if (presented === undefined) return null;
    const read = readCertificate(presented);
    this.#certificates.set(socket, read);
    return read;
  }
}

export function unauthorized(found: string, expected: string): StatusError {
  return new StatusError("Unauthorized", `Unauthorized: found ${found}; expected ${expected}`);
}

function parseBearer(header: string): string {
  const [scheme = "", token, ...rest] = header.split(" ");
  if (scheme.toLowerCase() === "bearer" && token !== undefined && token !== "" && rest.length === 0) return token;
  throw unauthorized("an authorization header of another form", "`authorization: Bearer <token>`");
}

/** Equal lengths, which timingSafeEqual needs, whatever was sent. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
