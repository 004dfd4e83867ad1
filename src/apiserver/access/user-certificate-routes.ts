import { X509Certificate } from "node:crypto";
import { WeftError } from "../../lib/weft-error.ts";
import { MAX_USER_CREDENTIALS, type User, type UserCredential } from "../../resources/user.ts";
import type { Store } from "../../store/store.ts";
import type { Clock } from "../../time/clock.ts";
import { formatWallTime, parseWallTime } from "../../time/wall-time.ts";
import { type ApiAnswer, type ApiCall, type ApiRoute, json } from "../api-route.ts";
import { StatusError } from "../status.ts";

/** Signs a request for a user; implemented by the control plane, which has the mesh's authority. */
export interface UserCertificateIssuer {
  /** `requestDer` is PKCS#10; its own names are not read. Rejects with WEFT_CA_REQUEST when it cannot be signed. */
  issue(request: {
    readonly user: string;
    readonly requestDer: Uint8Array;
    readonly lifetimeMs: number;
  }): Promise<string>;
}

export interface UserCertificateRoutesOptions {
  readonly store: Store;
  readonly issuer: UserCertificateIssuer;
  readonly clock: Clock;
}

export interface UserCertificateAnswer {
  readonly certificatePem: string;
  readonly notAfter: string;
}

const USER = { group: "weft.dev", kind: "User", namespace: "" } as const;
const PEM = /^-----BEGIN CERTIFICATE REQUEST-----([^-]+)-----END CERTIFICATE REQUEST-----\s*$/;
const MIN_LIFETIME_SECONDS = 10;
const MAX_LIFETIME_SECONDS = 366 * 24 * 3600;
const ATTEMPTS = 5;

/** `POST …/users/{name}/certificates`: signs a client certificate, and enters its hash in the user, without which it is worth nothing. */
export function createUserCertificateRoutes(options: UserCertificateRoutesOptions): readonly ApiRoute[] {
  return [
    {
      method: "POST",
      path: "/weft/v1/users/{name}/certificates",
      access: { verb: "create", resource: "users", subresource: "certificates" },
      answer: (call) => issue(options, call),
    },
  ];
}

async function issue({ issuer, store, clock }: UserCertificateRoutesOptions, call: ApiCall): Promise<ApiAnswer> {
  const { name = "" } = call.parameters;
  const { lifetimeMs, requestDer } = readRequest(await call.readBody());
  await findUser(store, name);
  const certificatePem = await issuer.issue({ user: name, requestDer, lifetimeMs }).catch((error: unknown) => {
    if (!(error instanceof WeftError) || error.code !== "WEFT_CA_REQUEST") throw error;
    throw invalid("certificateRequestPem", error.message);
  });
  const certificate = new X509Certificate(certificatePem);
  const notAfter = formatWallTime(parseWallTime(certificate.validTo));
  const sha256 = certificate.fingerprint256.replaceAll(":", "").toLowerCase();
  await enter(store, name, { sha256, notAfter }, clock.wallMs());
  call.noteWrite();
  const body: UserCertificateAnswer = { certificatePem, notAfter };
  return json(body, 201);
}

/** Certificates that have ended make room. */
async function enter(store: Store, name: string, added: UserCredential, wallMs: number): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const user = await findUser(store, name);
    const kept = user.spec.certificates.filter(({ notAfter = "" }) => !(parseWallTime(notAfter) <= wallMs));
    if (kept.length >= MAX_USER_CREDENTIALS) {
      throw invalid("spec.certificates", `found ${kept.length} that are in force; expected fewer: take one out first`);
    }
    const certificates = [...kept, added];
    try {
      await store.put(
        { ...user, spec: { ...user.spec, certificates } },
        { ifVersion: user.metadata.resourceVersion ?? "absent" },
      );
      return;
    } catch (error) {
      const isLostRace = error instanceof WeftError && error.code === "WEFT_STORE_CONFLICT";
      if (!isLostRace || attempt >= ATTEMPTS) throw error;
    }
  }
}

async function findUser(store: Store, name: string): Promise<User> {
  const found = (await store.get({ ...USER, name })) as User | null;
  if (found !== null && found.metadata.deletionTimestamp === undefined) return found;
  throw new StatusError("NotFound", `Cannot find User "${name}"`, { name, group: "weft.dev", kind: "users" });
}

function readRequest(body: unknown): { readonly requestDer: Uint8Array; readonly lifetimeMs: number } {
  const fields = (typeof body === "object" && body !== null ? body : {}) as Partial<Record<string, unknown>>;
  const { certificateRequestPem, lifetimeSeconds } = fields;
  const base64 = typeof certificateRequestPem === "string" ? PEM.exec(certificateRequestPem)?.[1] : undefined;
  if (base64 === undefined) throw invalid("certificateRequestPem", "expected a PEM certificate request (PKCS#10)");
  const isLifetime =
    typeof lifetimeSeconds === "number" &&
    Number.isInteger(lifetimeSeconds) &&
    lifetimeSeconds >= MIN_LIFETIME_SECONDS &&
    lifetimeSeconds <= MAX_LIFETIME_SECONDS;
  if (!isLifetime) {
    const range = `a whole number of ${MIN_LIFETIME_SECONDS} to ${MAX_LIFETIME_SECONDS}`;
    throw invalid("lifetimeSeconds", `found ${JSON.stringify(lifetimeSeconds)}; expected ${range}`);
  }
  return { requestDer: Buffer.from(base64, "base64"), lifetimeMs: lifetimeSeconds * 1000 };
}

function invalid(field: string, message: string): StatusError {
  return new StatusError("Invalid", `Cannot issue a certificate: ${field}: ${message}`, {
    group: "weft.dev",
    kind: "users",
    causes: [{ reason: "FieldValueInvalid", field, message }],
  });
}
