import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../time/clock.ts";
import { StatusError } from "../status.ts";
import { isTrue } from "../watch-stream.ts";
import type { Authenticated, Authenticator, Credential } from "./authenticator.ts";
import { type AccessRequest, authorize } from "./authorize.ts";
import { forbidden } from "./forbidden.ts";
import { type Principal } from "./principal.ts";
import type { ResourceAccess } from "./route-access.ts";

/** A matched call whose sender is known. */
export interface GuardedCall {
  readonly parameters: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly readBody: () => Promise<unknown>;
}

/** The longest wait of a timer; what ends later than this is looked at again then. */
const MAX_TIMER_MS = 24 * 3_600_000;

/** Who may call what: the one place where requests are let through, and from where open ones are cut off. */
export class AccessGuard {
  readonly #authenticator: Authenticator;
  readonly #clock: Clock;
  readonly #open = new Set<() => void>();

  constructor(authenticator: Authenticator, clock: Clock) {
    this.#authenticator = authenticator;
    this.#clock = clock;
  }

  /** Throws StatusError Unauthorized, or Forbidden for somebody who wants to be somebody else. */
  identify(request: IncomingMessage): Identified {
    const credential = this.#authenticator.read(request);
    const authenticated = credential.authenticate();
    assertNoImpersonation(request.headers, authenticated.principal);
    assertSameSite(request.headers, authenticated.principal);
    return { ...authenticated, credential };
  }

  /** Throws StatusError Forbidden. */
  assertAllowed(principal: Principal, request: AccessRequest): void {
    const { allowed, reason } = authorize(principal, request);
    if (!allowed) throw forbidden(principal, request, reason);
  }

  /**
   * Closes the connection of an answer that is still open when its sender may no longer ask for it: the credential ended
   * or was taken out, the user deleted, or its role is another one.
   */
  follow(response: ServerResponse, { credential, notAfterMs }: Identified, request: AccessRequest | null): void {
    const check = (): void => {
      if (!isStillAllowed(credential, request)) response.destroy();
    };
    const timer =
      notAfterMs === Number.POSITIVE_INFINITY
        ? null
        : this.#clock.every(Math.max(1, Math.min(MAX_TIMER_MS, notAfterMs - this.#clock.wallMs())), check, undefined);
    this.#open.add(check);
    response.on("close", () => {
      this.#open.delete(check);
      timer?.clear();
    });
  }

  /** Call when users changed. */
  checkOpen(): void {
    for (const check of this.#open) check();
  }
}

export interface Identified extends Authenticated {
  readonly credential: Credential;
}

/** What a call of a route asks for. The body is read only where the namespace stands in it. */
export async function toAccessRequest(access: ResourceAccess, call: GuardedCall): Promise<AccessRequest> {
  const { group = "", plural = "", namespace = "", name = "", workload = "" } = call.parameters;
  const verb = access.verb === "list" && isTrue(call.query.get("watch")) ? "watch" : access.verb;
  const subresource = access.subresource ?? "";
  if (access.resource === "path") {
    return { verb, subresource, group: access.group ?? group, resource: plural, namespace, name };
  }
  const own = { verb, subresource, group: access.group ?? "weft.dev", resource: access.resource };
  if (access.namespaceIn !== "body") return { ...own, namespace, name: name || workload };
  const body = await call.readBody();
  const fields = typeof body === "object" && body !== null ? (body as Partial<Record<string, unknown>>) : {};
  return { ...own, namespace: toText(fields["namespace"]), name: toText(fields["workload"]) };
}

function isStillAllowed(credential: Credential, request: AccessRequest | null): boolean {
  try {
    const { principal } = credential.authenticate();
    return request === null || authorize(principal, request).allowed;
  } catch (error) {
    if (error instanceof StatusError) return false;
    throw error;
  }
}

/** Kubernetes' way to act as somebody else. To take no notice would do as oneself what was to be done as another. */
function assertNoImpersonation(headers: IncomingHttpHeaders, principal: Principal): void {
  if (!Object.keys(headers).some((name) => name.startsWith("impersonate-"))) return;
  throw new StatusError(
    "Forbidden",
    `Cannot act as somebody else: found "Impersonate-…" headers from User ${JSON.stringify(principal.name)}; expected none, as weft has no impersonation`,
  );
}

/** A browser sends a certificate with whatever a page of another site makes it ask for. It sends no token by itself. */
function assertSameSite(headers: IncomingHttpHeaders, principal: Principal): void {
  const site = headers["sec-fetch-site"];
  if (principal.how !== "certificate" || site === undefined || site === "same-origin" || site === "none") return;
  throw new StatusError(
    "Forbidden",
    "Cannot serve a page of another site by certificate; expected a request of this one",
  );
}

function toText(value: unknown): string {
  return typeof value === "string" ? value : "";
}
