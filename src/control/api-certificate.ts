import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { createSecureContext, type SecureContext } from "node:tls";
import type { ApiTls } from "../apiserver/api-listener.ts";
import type { ApiCertificateFiles } from "../control-bootstrap.ts";
import type { Log } from "../lib/log.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { Clock, Timer } from "../time/clock.ts";
import type { CertificateAuthority } from "./ca/certificate-authority.ts";

export interface ApiCertificateOptions {
  readonly authority: CertificateAuthority;
  /** Where the API listens; all addresses of this host when it is 0.0.0.0 or ::. */
  readonly address: string;
  /** Further DNS names and addresses by which it is reached. */
  readonly names: readonly string[];
  /** The user's own certificate, shown to whoever asks for another name than localhost; null: the mesh's own for all. */
  readonly files: ApiCertificateFiles | null;
  readonly lifetimeMs: () => number;
  readonly clock: Clock;
  readonly log: Log;
}

interface OwnCertificate {
  readonly context: SecureContext;
  readonly certificate: X509Certificate;
  readonly renewAtMs: number;
  /** Of the mesh when it was made. */
  readonly trustBundlePem: string;
}

const RENEW_AT_RATIO = 0.5;
const RETRY_MS = 1_000;
/** Also how often the user's own files are looked at. */
const LONGEST_SLEEP_MS = 10_000;
const LOCAL_NAMES: readonly string[] = ["localhost", "127.0.0.1", "::1"];

/**
 * The API's certificate for TLS, issued by the mesh's own authority for the names and addresses by which it is reached,
 * and renewed at half of its life; its key never leaves this process. Beside it the user's own from files, read again
 * when they change; one that cannot be used is told of in the log, and the last good one stays.
 */
export class ApiCertificate implements ApiTls {
  readonly #options: ApiCertificateOptions;
  #own: OwnCertificate | null = null;
  #given: { readonly context: SecureContext; readonly certificate: X509Certificate; readonly text: string } | null =
    null;
  #refused = "";
  #timer: Timer | null = null;
  #isClosed = false;

  constructor(options: ApiCertificateOptions) {
    this.#options = options;
  }

  /** Rejects with WEFT_API_CERTIFICATE when the user's own files cannot be used, and as the authority does. */
  async start(): Promise<void> {
    const { files } = this.#options;
    if (files !== null) this.#readGiven(files);
    await this.#issue();
    this.#schedule(LONGEST_SLEEP_MS);
    this.#options.authority.onChange(() => this.#followRoots());
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.clear();
  }

  context(serverName: string): SecureContext {
    const given = serverName === "localhost" ? null : this.#given;
    const chosen = given ?? this.#own;
    if (chosen === null) throw new Error("the API's certificate is asked for before it was made");
    return chosen.context;
  }

  /** The user's own certificate; null without one. */
  readonly given = (): X509Certificate | null => this.#given?.certificate ?? null;

  isOwnName(host: string): boolean {
    return [this.#own, this.#given].some((one) => one?.certificate.checkHost(host) !== undefined);
  }

  async #issue(): Promise<void> {
    const { address, authority, lifetimeMs, names } = this.#options;
    const { trustBundlePem } = authority;
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const { certificateChainPem, notAfterMs, notBeforeMs } = await authority.issueServer({
      hosts: [...new Set([...LOCAL_NAMES, ...listAddresses(address), ...names])],
      publicKeyDer: publicKey.export({ type: "spki", format: "der" }),
      lifetimeMs: lifetimeMs(),
    });
    const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    this.#own = {
      context: this.#createContext(certificateChainPem, key),
      certificate: new X509Certificate(certificateChainPem),
      renewAtMs: notBeforeMs + (notAfterMs - notBeforeMs) * RENEW_AT_RATIO,
      trustBundlePem,
    };
  }

  #createContext(cert: string, key: string): SecureContext {
    const { trustBundlePem } = this.#options.authority;
    // Without an ID context OpenSSL breaks off a handshake that resumes a session with a client certificate.
    return createSecureContext({ cert, key, ca: trustBundlePem, minVersion: "TLSv1.2", sessionIdContext: "weft-api" });
  }

  #readGiven(files: ApiCertificateFiles): void {
    const { certificateFile, keyFile } = files;
    try {
      const cert = readFileSync(certificateFile, "utf8");
      const key = readFileSync(keyFile, "utf8");
      if (this.#given?.text === cert) return;
      const certificate = new X509Certificate(cert);
      if (!certificate.checkPrivateKey(createPrivateKey(key))) throw new Error("the key is another certificate's");
      this.#given = { context: this.#createContext(cert, key), certificate, text: cert };
    } catch (error) {
      const found = error instanceof Error ? error.message : String(error);
      throw new WeftError(
        "WEFT_API_CERTIFICATE",
        `Cannot use the API's certificate "${certificateFile}" with the key "${keyFile}": found ${found}; expected a PEM chain, leaf first, and its key`,
        { hint: "Check both files, or leave them out: the mesh then makes a certificate of its own", cause: error },
      );
    }
  }

  #schedule(delayMs: number): void {
    if (this.#isClosed) return;
    this.#timer = this.#options.clock.after(delayMs, () => void this.#tick(), undefined);
  }

  /** At the next tick, which is now: a certificate of the root that signs, and the roots of clients. */
  #followRoots(): void {
    if (this.#given !== null) this.#given = { ...this.#given, text: "" };
    this.#timer?.clear();
    this.#schedule(0);
  }

  async #tick(): Promise<void> {
    const { authority, clock, files, log } = this.#options;
    if (files !== null) this.#readAgain(files);
    const leftMs = (this.#own?.renewAtMs ?? 0) - clock.wallMs();
    if (leftMs > 0 && this.#own?.trustBundlePem === authority.trustBundlePem) {
      this.#schedule(Math.min(LONGEST_SLEEP_MS, leftMs));
      return;
    }
    try {
      await this.#issue();
      this.#timer?.clear();
      // At once where the roots changed meanwhile.
      this.#schedule(this.#own?.trustBundlePem === authority.trustBundlePem ? LONGEST_SLEEP_MS : 0);
    } catch (error) {
      log.error("cannot renew the API's certificate; trying on", { error });
      this.#schedule(RETRY_MS);
    }
  }

  /** Says once what is wrong with the files. */
  #readAgain(files: ApiCertificateFiles): void {
    try {
      this.#readGiven(files);
      this.#refused = "";
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (message !== this.#refused) this.#options.log.error("the API keeps its last certificate", { error });
      this.#refused = message;
    }
  }
}

/** Of a listener on every address: those of this host. */
function listAddresses(address: string): readonly string[] {
  if (address !== "0.0.0.0" && address !== "::") return [address];
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all.filter((one) => one.scopeid === undefined || one.scopeid === 0).map((one) => one.address);
}
