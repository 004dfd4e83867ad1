import type { IncomingMessage, ServerResponse } from "node:http";
import type { Log } from "../lib/log.ts";
import { WeftError } from "../lib/weft-error.ts";
import { type AccessGuard, toAccessRequest } from "./access/access-guard.ts";
import type { AuditSink } from "./access/audit-log.ts";
import { type AccessRequest, READ_VERBS } from "./access/authorize.ts";
import { NOBODY, type Principal } from "./access/principal.ts";
import type { RouteAccess } from "./access/route-access.ts";
import type { ApiTls } from "./api-listener.ts";
import type { ApiAnswer, MatchedRoute, Router } from "./api-route.ts";
import { chooseMedia, OBJECT_MEDIA } from "./negotiation.ts";
import { readBodyText, readJsonBody } from "./read-body.ts";
import { assertOwnHost } from "./request-guard.ts";
import { type Status, StatusError } from "./status.ts";
import { toStoreFailure } from "./store-failure.ts";
import { createWarnings, type Warnings } from "./warnings.ts";
import { writeAnswer } from "./write-answer.ts";

export interface Serving {
  readonly router: Router;
  readonly guard: AccessGuard;
  readonly audit: AuditSink;
  readonly tls: ApiTls | null;
  readonly log: Log;
}

/** What becomes known of a request while it is served, for the audit log. */
interface Trail {
  principal: Principal | null;
  access: AccessRequest | null;
  isDryRun: boolean;
  wrote: boolean;
}

/** Never rejects: what goes wrong is the answer. */
export async function serveRequest(
  serving: Serving,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const trail: Trail = { principal: null, access: null, isDryRun: false, wrote: false };
  const { headers } = request;
  try {
    const given = await answer(serving, { request, response, trail, warnings: createWarnings(response) });
    audit(serving, request, trail, given);
    await writeAnswer(response, given, { headers, isUnread: false });
  } catch (error) {
    const status = toStatus(serving.log, request, error);
    const refusal: ApiAnswer = { kind: "json", statusCode: status.code, body: status };
    audit(serving, request, trail, refusal);
    await writeAnswer(response, refusal, { headers, isUnread: !request.complete });
  }
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly trail: Trail;
  readonly warnings: Warnings;
}

async function answer(serving: Serving, { request, response, trail, warnings }: Exchange): Promise<ApiAnswer> {
  assertOwnHost(request, serving.tls);
  const { headers, method = "GET" } = request;
  const url = new URL(request.url ?? "/", "http://localhost");
  const { pathname: path, searchParams: query } = url;
  const found = match(serving.router, method, path);
  const access: RouteAccess = found instanceof StatusError ? "authenticated" : found.route.access;
  // In the one spelling of its path.
  const isOpen = access === "open" && !(found instanceof StatusError) && found.route.path === path;
  const identified = isOpen ? null : serving.guard.identify(request);
  const principal = identified?.principal ?? NOBODY;
  if (identified !== null) trail.principal = principal;
  // Only who is known learns which paths there are.
  if (found instanceof StatusError) throw found;
  const { route, parameters } = found;
  let body: Promise<unknown> | null = null;
  const readBody = (): Promise<unknown> => (body ??= readJsonBody(request));
  if (typeof access === "object") {
    trail.access = await toAccessRequest(access, { parameters, query, readBody });
    trail.isDryRun = query.get("dryRun") === "All";
    if (access.namespaceIn !== "filtered") serving.guard.assertAllowed(principal, trail.access);
  }
  if (identified !== null) {
    const lasting = typeof access === "object" && access.namespaceIn !== "filtered" ? trail.access : null;
    serving.guard.follow(response, identified, lasting);
  }
  // Before the route does anything: an answer that cannot be had as asked for must not have changed anything.
  if (route.produces !== "any") chooseMedia(headers.accept, route.produces ?? OBJECT_MEDIA);
  return route.answer({
    method,
    path,
    parameters,
    query,
    headers,
    principal,
    readBody,
    readText: () => readBodyText(request),
    warn: warnings.add,
    noteWrite: () => {
      trail.wrote = true;
    },
  });
}

function match(router: Router, method: string, path: string): MatchedRoute | StatusError {
  try {
    return router.match(method, path);
  } catch (error) {
    if (error instanceof StatusError) return error;
    throw error;
  }
}

/** Writes, and whatever was refused. The outcome is written down before it is told. */
function audit(serving: Serving, request: IncomingMessage, trail: Trail, given: ApiAnswer): void {
  const statusCode = given.kind === "stream" ? 200 : given.statusCode;
  const isWrite = trail.access !== null && !READ_VERBS.includes(trail.access.verb);
  if (!isWrite && statusCode !== 401 && statusCode !== 403) return;
  const { remoteAddress = "", remotePort = 0 } = request.socket;
  serving.audit.write({
    principal: trail.principal,
    request: trail.access === null ? null : { ...trail.access, name: trail.access.name || nameOf(given) },
    method: request.method ?? "",
    path: request.url?.split("?", 1)[0] ?? "",
    statusCode,
    changed: trail.wrote,
    isDryRun: trail.isDryRun,
    source: remoteAddress.includes(":") ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`,
    userAgent: request.headers["user-agent"] ?? "",
  });
}

/** Of what was created: the path of a create has no name. */
function nameOf(given: ApiAnswer): string {
  if (given.kind !== "json" || given.statusCode >= 300) return "";
  const { metadata } = given.body as { readonly metadata?: { readonly name?: unknown } };
  return typeof metadata?.name === "string" ? metadata.name : "";
}

function toStatus(log: Log, request: IncomingMessage, error: unknown): Status {
  if (error instanceof StatusError) return error.status;
  const failure = error instanceof WeftError ? toStoreFailure(error) : null;
  if (failure !== null) {
    log.warn("the store cannot be used", { method: request.method, path: request.url?.split("?", 1)[0], error });
    return failure.status;
  }
  const hasLeft = request.destroyed && !request.complete;
  log[hasLeft ? "debug" : "error"]("api request failed", {
    method: request.method,
    path: request.url?.split("?", 1)[0],
    error,
  });
  const message = error instanceof WeftError ? error.message : "the control plane failed; its log says why";
  return new StatusError("InternalError", `Cannot serve the request: ${message}`).status;
}
