import { CallCredentials, ChannelCredentials } from "@grpc/grpc-js";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { isIP, type Socket } from "node:net";
import { connect, createSecureContext, type SecureContext } from "node:tls";
import { WeftError } from "../../lib/weft-error.ts";
import type { Clock } from "../../time/clock.ts";
import { type ConnectionFault, describeTime, describeTlsFault, nameOf } from "./describe-tls-fault.ts";
import type { EtcdTls } from "./etcd-client.ts";

type SecureConnector = ReturnType<ChannelCredentials["_createSecureConnector"]>;

/** One for all members. */
export interface TlsSetting {
  readonly context: SecureContext;
  readonly own: X509Certificate | null;
  readonly authorities: readonly X509Certificate[] | null;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Throws WEFT_STORE_INVALID for what is no certificate or no key, a key of another certificate, and one out of its time. */
export function createTlsSetting({ caPem, certificatePem, keyPem }: EtcdTls, wallMs: number): TlsSetting {
  const authorities = caPem === undefined ? null : readCertificates("authority", caPem);
  const own = certificatePem === undefined ? null : (readCertificates("client's", certificatePem)[0] ?? null);
  if ((own === null) !== (keyPem === undefined)) {
    throw invalidTlsError("a certificate without its key, or a key without its certificate", "both or neither");
  }
  if (own !== null && !isKeyOf(own, keyPem ?? "")) {
    throw invalidTlsError(`another key than that of the client's certificate ${nameOf(own)}`, "its own");
  }
  const time = describeTime(own, wallMs);
  if (time !== null) throw invalidTlsError(`the client's certificate ${nameOf(own)} ${time}`, "one that is valid");
  const context = createSecureContext({ ca: caPem, cert: certificatePem, key: keyPem });
  return { context, own, authorities };
}

/**
 * TLS to one member, verified as Node does: by its chain, its time and the name it is called by. Instead of gRPC's own, as
 * that asks for IP addresses as server names (RFC 6066, 3, forbids it, and Node 26 refuses), and forgets why it failed.
 */
export class TlsCredentials extends ChannelCredentials {
  readonly #setting: TlsSetting;
  readonly #host: string;
  readonly #clock: Clock;
  #fault: ConnectionFault | null = null;

  constructor(setting: TlsSetting, host: string, clock: Clock) {
    super();
    this.#setting = setting;
    this.#host = host;
    this.#clock = clock;
  }

  /** Of the last connection; null = TLS was no trouble. */
  fault(): ConnectionFault | null {
    return this.#fault;
  }

  _isSecure(): boolean {
    return true;
  }

  _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  _createSecureConnector(): SecureConnector {
    return {
      connect: (socket) => this.#connect(socket),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => CallCredentials.createEmpty(),
      destroy: () => undefined,
    };
  }

  #connect(socket: Socket): ReturnType<SecureConnector["connect"]> {
    const host = this.#host;
    return new Promise((resolve, reject) => {
      const secured = connect({
        socket,
        host,
        ...(isIP(host) === 0 ? { servername: host } : {}),
        secureContext: this.#setting.context,
        ALPNProtocols: ["h2"],
        // Refused below, where the certificate can still be looked at.
        rejectUnauthorized: false,
      });
      let member: X509Certificate | null = null;
      secured.once("secureConnect", () => {
        member = secured.getPeerX509Certificate() ?? null;
        if (secured.authorized) {
          this.#fault = null;
          resolve({ socket: secured, secure: true });
          return;
        }
        const code = codeOf(secured.authorizationError);
        secured.off("error", onError);
        secured.on("error", () => undefined);
        secured.destroy();
        this.#refuse(code, member);
        reject(new Error(this.#fault?.text ?? `its certificate cannot be verified (${code})`));
      });
      // A member that refuses weft's certificate says so after the handshake (TLS 1.3).
      const onError = (error: Error): void => {
        this.#refuse(codeOf(error), member);
        reject(error);
      };
      secured.on("error", onError);
    });
  }

  #refuse(code: string, member: X509Certificate | null): void {
    const { authorities, own } = this.#setting;
    const wallMs = this.#clock.wallMs();
    this.#fault = describeTlsFault({ code, host: this.#host, member, own, authorities, wallMs });
  }
}

/** `authorizationError` is typed as an error and is a code. */
function codeOf(found: unknown): string {
  if (typeof found === "string") return found;
  return (found as NodeJS.ErrnoException | null)?.code ?? String(found);
}

function readCertificates(whose: "authority" | "client's", pem: string): readonly X509Certificate[] {
  const what = whose === "authority" ? "authority's certificate" : "client's certificate";
  try {
    const found = (pem.match(CERTIFICATE) ?? []).map((text) => new X509Certificate(text));
    if (found.length > 0) return found;
  } catch {
    // Said below, without what was read: it may be a key.
  }
  throw invalidTlsError(`no certificate where the ${what} should be`, "one or more in PEM");
}

function isKeyOf(certificate: X509Certificate, keyPem: string): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(keyPem));
  } catch {
    throw invalidTlsError("no key, or one with a passphrase, where the client's key should be", "one in PEM without");
  }
}

export function invalidTlsError(found: string, expected: string): WeftError {
  return new WeftError("WEFT_STORE_INVALID", `Cannot use etcd with TLS: found ${found}; expected ${expected}`, {
    hint: "They are named with --etcd-ca, --etcd-cert and --etcd-key, or with the store's ca, certificate and key in weft.yaml",
  });
}
