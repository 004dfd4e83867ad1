import type { Exchange } from "./exchange.ts";
import type { Head } from "./head.ts";
import type { ProxyRuntime } from "./runtime.ts";
import type { RoutePolicy } from "./policy/route-policy.ts";
import type { HttpHandlerConfig, Route, RouteTable, Snapshot } from "./snapshot.ts";
import type { UpstreamRegistry } from "./upstream/upstream-registry.ts";
import { ResponseCache } from "./cache/response-cache.ts";
import { FaultInjector } from "./faults/fault-injector.ts";
import { checkAccess } from "./filters/access-filter.ts";
import { dropFailureField, replaceForwardedFields } from "./filters/edge-headers.ts";
import { ANSWERED, CONTINUE } from "./filters/filter.ts";
import { applyRequestHeaders, applyResponseHeaders } from "./filters/header-changes.ts";
import { addLimitFields, RateLimitFilter } from "./filters/rate-limit-filter.ts";
import { answerRedirect } from "./filters/redirect-filter.ts";
import { applyRewrite } from "./filters/rewrite-filter.ts";
import { addTraceIds } from "./filters/trace-filter.ts";
import {
  BAD_PATH,
  BAD_REQUEST,
  CONNECT_UNSUPPORTED,
  EGRESS_DENIED,
  NO_FAILURE,
  NO_ROUTE,
  NOT_READY,
  TRY_TIMEOUT,
} from "./failures.ts";
import { isGrpcRequest } from "./grpc-head.ts";
import { BODY_LENGTH, BODY_NONE, METHOD_CONNECT } from "./head.ts";
import { AttemptLayer } from "./layers/attempt-layer.ts";
import { Mirrors } from "./mirror/mirrors.ts";
import { DeadlineLayer } from "./layers/deadline-layer.ts";
import { PickLayer } from "./layers/pick-layer.ts";
import { RecordLayer } from "./layers/record-layer.ts";
import { RetryLayer } from "./layers/retry-layer.ts";
import { TunnelLayer } from "./layers/tunnel-layer.ts";
import { canonicaliseTarget } from "./path.ts";
import { hashRequest, setAffinityCookies } from "./route/affinity.ts";
import { AuthorityNames } from "./route/authority-names.ts";
import { findRoute, findVirtualHost } from "./route/find-route.ts";

/** What a request passes between its route and its first attempt: see `takeStep`. */
const STEPS = 8;

/**
 * The fixed order in which a request passes, outermost first. This page is the order; nothing else decides it.
 */
export class Stack {
  readonly #runtime: ProxyRuntime;
  readonly #upstreams: UpstreamRegistry;
  readonly #record: RecordLayer;
  readonly #deadlines: DeadlineLayer;
  readonly #retry: RetryLayer;
  readonly #rateLimits: RateLimitFilter;
  readonly #faults: FaultInjector;
  readonly #cache: ResponseCache;
  readonly #mirrors: Mirrors;
  readonly #attempts: AttemptLayer;
  readonly #pick: PickLayer;
  readonly #tunnels: TunnelLayer;
  readonly #authorities: AuthorityNames = new AuthorityNames();

  constructor(runtime: ProxyRuntime, upstreams: UpstreamRegistry) {
    this.#runtime = runtime;
    this.#upstreams = upstreams;
    this.#record = new RecordLayer(runtime);
    this.#deadlines = new DeadlineLayer(runtime);
    this.#retry = new RetryLayer(runtime);
    this.#rateLimits = new RateLimitFilter(runtime.counters);
    this.#faults = new FaultInjector(runtime);
    this.#cache = new ResponseCache(runtime);
    this.#mirrors = new Mirrors(runtime);
    this.#attempts = new AttemptLayer(runtime);
    this.#pick = new PickLayer(runtime, upstreams, this.#attempts);
    this.#tunnels = new TunnelLayer(runtime);
  }

  /** The head of `x` is complete. */
  dispatch(x: Exchange): void {
    // Record is outermost, so that every exchange is counted once, however early it fails.
    this.#record.begin(x);
    // One snapshot per request: what follows never looks at the current one again.
    x.snapshot = this.#runtime.snapshot;
    x.handler = this.#handler(x);
    x.grpc = x.request !== null && isGrpcRequest(x.request);
    if (this.#refuseUnsupported(x)) return;
    // One canonical path for routing, access control and the next hop.
    if (!this.#canonicalise(x)) return;
    // Access before routing: a denied caller learns nothing about routes.
    const access = x.handler?.access ?? null;
    if (access !== null && checkAccess(access, x, this.#runtime.counters) === ANSWERED) return;
    if (!this.#route(x)) return;
    x.step = 0;
    this.resume(x);
  }

  /** Goes on with a request that no step holds any more. */
  resume(x: Exchange): void {
    x.wasHeld ||= x.step > 0;
    x.holder = null;
    while (x.step < STEPS) {
      x.step += 1;
      if (this.#takeStep(x, x.step) !== CONTINUE) return;
    }
    this.#send(x);
  }

  /** What a route's policy asks for, in this order. Most routes ask for little: each line is one look at a field. */
  #takeStep(x: Exchange, step: number): number {
    const policy = x.route?.policy;
    if (policy === undefined) return CONTINUE;
    switch (step) {
      case 1:
        // It covers all attempts, and the time a request waits here.
        return this.#deadlines.begin(x);
      case 2:
        if (policy.rateLimits.length === 0) return CONTINUE;
        return this.#rateLimits.check(x, policy.rateLimits, this.#runtime.clock.nowMs());
      case 3:
        return x.origin?.direction === "inbound" ? this.#enterApp(x) : CONTINUE;
      case 4:
        return policy.redirect === null ? CONTINUE : answerRedirect(policy.redirect, x);
      case 5:
        return policy.faults.length === 0 ? CONTINUE : this.#faults.onRequest(x, policy.faults);
      case 6:
        return policy.cache === null ? CONTINUE : this.#cache.lookup(x);
      case 7:
        return this.#rewriteRequest(x, policy);
      default:
        if (policy.mirrors.length > 0) this.#mirrors.begin(x, policy.mirrors);
        return CONTINUE;
    }
  }

  /** A request of the proxy's own, which comes under no rule but that of `route`. */
  dispatchTo(x: Exchange, route: Route): void {
    this.#record.begin(x);
    x.snapshot = this.#runtime.snapshot;
    x.grpc = x.request !== null && isGrpcRequest(x.request);
    x.route = route;
    if (this.#deadlines.begin(x) === CONTINUE) this.#send(x);
  }

  /** A request that never was to be routed ends with `code`, counted like any other. */
  refuse(x: Exchange, code: number, detail: string): void {
    this.#record.begin(x);
    x.authority = x.request?.authorityText() ?? "";
    x.fail(code, detail);
  }

  /** An attempt failed before any of its response went downstream. True when another attempt follows. */
  retry(x: Exchange, code: number): boolean {
    this.#retry.unwatch(x);
    const delayMs = this.#retry.delayAfterFailure(x, code);
    if (delayMs < 0) return false;
    this.#attempts.ended(x, code);
    this.#again(x, delayMs);
    return true;
  }

  /** Looks at a response head before it goes downstream. False when the answer is not used. */
  acceptResponse(x: Exchange, head: Head): boolean {
    this.#retry.unwatch(x);
    if (!isFromPeer(x)) dropFailureField(head);
    this.#attempts.answered(x, head);
    const delayMs = head.status < 400 && !x.grpc ? -1 : this.#retry.delayAfterAnswer(x, head);
    if (delayMs < 0) return this.#pass(x, head);
    const attempt = x.attempt;
    x.attempt = null;
    x.connected = false;
    attempt?.discard();
    this.#attempts.ended(x, NO_FAILURE);
    this.#again(x, delayMs);
    return false;
  }

  /** The body of the request is complete. */
  requestEnded(x: Exchange): void {
    x.requestEndMs = this.#runtime.clock.nowMs();
  }

  /** No answer came and no other attempt follows. True when a stored one was given in its place. */
  answerStale(x: Exchange, code: number): boolean {
    return x.taps.length > 0 && this.#cache.onFailure(x, code);
  }

  /** A whole answer that this proxy makes itself goes downstream. */
  decorateAnswer(x: Exchange, head: Head): void {
    // It counts as an answer of the service that was asked.
    x.cluster ??= this.#upstreams.get(x.route?.clusters.names[0] ?? "") ?? null;
    this.#changeResponse(x, head);
  }

  /** A new configuration is in force: stores without a cache, and tunnels that no policy allows, end. */
  onSnapshot(snapshot: Snapshot): void {
    this.#cache.reconcile(snapshot);
    this.#tunnels.recheck();
  }

  close(): void {
    this.#cache.close();
  }

  onDeadline(x: Exchange): void {
    if (x.tunnel) this.#tunnels.check(x);
    else this.#deadlines.onDeadline(x);
  }

  /** An attempt took too long, or the wait before the next is over. */
  onTryDeadline(x: Exchange): void {
    if (x.backingOff) this.#send(x);
    else if (!x.responseStarted) x.failAttempt(TRY_TIMEOUT, `No response head came within ${tryLimit(x)} ms`);
  }

  /** Looks at the trailers that end a response before they go downstream. */
  acceptTrailers(x: Exchange, trailers: Head): void {
    if (!isFromPeer(x)) dropFailureField(trailers);
  }

  ended(x: Exchange): void {
    this.#runtime.wheel.clear(x.deadline);
    if (x.tryDeadline !== null) this.#runtime.wheel.clear(x.tryDeadline);
    if (x.tunnel) this.#tunnels.ended(x);
    this.#attempts.ended(x, x.failure);
    this.#record.end(x);
    this.#attempts.finished(x);
    x.gate?.left(x);
  }

  /** The answer is 101: what follows is ruled by the tunnel's limits instead of the route's. */
  tunnelOpened(x: Exchange): void {
    this.#runtime.wheel.clear(x.deadline);
    this.#tunnels.opened(x);
  }

  /** Ends every tunnel, both ways, after what was sent. */
  endTunnels(): void {
    this.#tunnels.endAll();
  }

  #again(x: Exchange, delayMs: number): void {
    x.avoided = x.endpoint;
    x.endpoint = null;
    x.status = 0;
    if (delayMs > 0) this.#retry.wait(x, delayMs);
    else this.#send(x);
  }

  /** One attempt. */
  #send(x: Exchange): void {
    x.backingOff = false;
    if (x.deadlineMs > 0) {
      const nowMs = this.#runtime.clock.nowMs();
      if (!this.#deadlines.hasTime(x, nowMs)) return;
      this.#deadlines.passOn(x, nowMs);
    }
    this.#retry.watchAttempt(x);
    this.#pick.dispatch(x);
  }

  #handler(x: Exchange): HttpHandlerConfig | null {
    const listener = x.snapshot?.listeners.get(x.origin?.listener ?? "");
    const handler = listener?.defaultChain?.handler;
    return handler !== undefined && handler.kind === "http" ? handler : null;
  }

  #refuseUnsupported(x: Exchange): boolean {
    const request = x.request;
    if (x.handler === null) {
      x.fail(NOT_READY, null);
      return true;
    }
    if (request === null || !request.upgrade) return false;
    if (request.method === METHOD_CONNECT) {
      x.fail(CONNECT_UNSUPPORTED, null);
      return true;
    }
    // Where the body ends and the new protocol begins must be plain to both sides; nobody sends one in practice.
    if (request.bodyKind === BODY_NONE || (request.bodyKind === BODY_LENGTH && request.contentLength === 0))
      return false;
    x.fail(BAD_REQUEST, "A request that asks for an upgrade has a body; expected none");
    return true;
  }

  #canonicalise(x: Exchange): boolean {
    const request = x.request;
    if (request === null) return false;
    const refusal = canonicaliseTarget(request);
    if (refusal !== null) {
      x.fail(BAD_PATH, refusal);
      return false;
    }
    // Matching reads the bytes; a log reads the text when the exchange is over.
    if (this.#runtime.accessLog !== null) x.path = request.pathText();
    const told = x.origin?.authority ?? null;
    x.authority =
      told === null
        ? this.#authorities.find(request.bytes, request.authorityStart, request.authorityEnd)
        : this.#authorities.findText(told);
    return true;
  }

  #route(x: Exchange): boolean {
    const table = this.#routeTable(x);
    if (table === null) {
      x.fail(NOT_READY, null);
      return false;
    }
    const host = findVirtualHost(table, x.authority);
    x.route = host === null ? null : findRoute(host, x);
    if (x.route !== null) return true;
    const foreign = host === null && x.origin?.direction === "outbound" && x.authority.includes(".");
    const name = x.authority === "" ? "an empty host" : `"${x.authority.slice(0, 253)}"`;
    x.fail(
      foreign ? EGRESS_DENIED : NO_ROUTE,
      host === null ? `No service is called ${name}` : `No route of ${name} matches`,
    );
    return false;
  }

  #routeTable(x: Exchange): RouteTable | null {
    const handler = x.handler;
    if (handler === null) return null;
    if (handler.inlineRoutes !== null) return handler.inlineRoutes;
    return handler.routeName === null ? null : (x.snapshot?.routes.get(handler.routeName) ?? null);
  }

  /** The gate in front of the app, where a policy put one. */
  #enterApp(x: Exchange): number {
    const gate = this.#upstreams.get(x.route?.clusters.names[0] ?? "")?.gate ?? null;
    return gate === null ? CONTINUE : gate.admit(x, this.#runtime.clock.nowMs());
  }

  /** The last look at an answer that is used. False when a stored one takes its place. */
  #pass(x: Exchange, head: Head): boolean {
    if (x.taps.length > 0 && this.#cache.onResponse(x, head) === ANSWERED) return false;
    this.#deadlines.responseBegan(x, head);
    x.gate?.answered(x, head);
    this.#changeResponse(x, head);
    return true;
  }

  #changeResponse(x: Exchange, head: Head): void {
    const changes = x.route?.policy.responseHeaders ?? null;
    if (changes !== null) applyResponseHeaders(changes, head);
    addLimitFields(x, head);
    if (x.affinityCookies !== "") setAffinityCookies(x, head);
  }

  #rewriteRequest(x: Exchange, policy: RoutePolicy): number {
    const request = x.request;
    if (request === null || x.origin === null) return CONTINUE;
    const { random } = this.#runtime;
    if (policy.sticky !== null) x.splitHash = hashRequest(x, [policy.sticky], random);
    if (policy.hashOn.length > 0) x.hash = hashRequest(x, policy.hashOn, random);
    if (policy.rewrite !== null && applyRewrite(policy.rewrite, x) === ANSWERED) return ANSWERED;
    if (x.origin.direction === "ingress") {
      replaceForwardedFields(request, x.origin.peerAddress, x.origin.scheme ?? "http");
    }
    // Inbound requests come from a proxy of ours, which has added the ids.
    if (x.origin.direction !== "inbound") addTraceIds(request, random);
    if (policy.requestHeaders !== null) applyRequestHeaders(policy.requestHeaders, request);
    return CONTINUE;
  }
}

/** Its answer is of another proxy of the mesh, and not of an app or of a stranger. */
function isFromPeer(x: Exchange): boolean {
  return x.origin?.direction !== "inbound" && x.cluster?.config.peerIdentities !== null;
}

function tryLimit(x: Exchange): number {
  return x.route?.policy.timeouts.perTryMs ?? 0;
}
