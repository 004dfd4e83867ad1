import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { ControlPlaneViews } from "../control/views.ts";
import type { Log } from "../lib/log.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { Random } from "../random/random.ts";
import type { Store } from "../store/store.ts";
import type { Clock } from "../time/clock.ts";
import { HOME_PRINCIPAL, NOBODY } from "./access/principal.ts";
import { type ApiAnswer, createRouter, type Router } from "./api-route.ts";
import { createDiscoveryRoutes } from "./discovery-routes.ts";
import { createHealthRoutes, OPEN_PATHS } from "./health-routes.ts";
import { chooseMedia, OBJECT_MEDIA } from "./negotiation.ts";
import { createOpenApiRoutes } from "./openapi/openapi-routes.ts";
import { readBodyText, readJsonBody } from "./read-body.ts";
import { assertLocalHost, createTokenCheck } from "./request-guard.ts";
import { LifeCycle } from "./life-cycle/life-cycle.ts";
import { createResourceRoutes } from "./resource-routes.ts";
import { StatusError, type Status } from "./status.ts";
import type { WatchLimiter } from "./watch-stream.ts";
import { toStoreFailure } from "./store-failure.ts";
import { createWeftRoutes } from "./weft-routes.ts";
import { createWarnings, type Warnings } from "./warnings.ts";
import { writeAnswer } from "./write-answer.ts";

export interface ApiServerOptions {
  readonly store: Store;
  readonly views: ControlPlaneViews;
  /** Who sends this as `authorization: Bearer` may do everything; only /healthz and /readyz are open. */
  readonly token: string;
  /** Loopback: the connection is not encrypted. */
  readonly address: string;
  /** 0 = any free. */
  readonly port: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly weftVersion: string;
}

export interface ApiServer {
  readonly port: number;
  /** Ends watches, lets other requests finish, and closes every connection. Calling again gives the same promise. */
  close(): Promise<void>;
}

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** What a request still running when the server closes may take to end. */
const CLOSE_GRACE_MS = 2_000;
/** Longer than clients keep a connection, so that it is they who close it. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
const MAX_CONNECTIONS = 512;

/** Rejects with WEFT_API_LISTEN when the address cannot be bound. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const watches: WatchLimiter = { open: new Set() };
  // Literal paths first: `/api/{version}/{plural}` would otherwise take them.
  const router = createRouter([
    ...createHealthRoutes(options.store),
    ...createWeftRoutes(options.views),
    ...createDiscoveryRoutes(options.weftVersion),
    ...createOpenApiRoutes(options.weftVersion),
    ...createResourceRoutes({ ...options, watches }),
  ]);
  const assertToken = createTokenCheck(options.token);
  const server = createServer({
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    void serve({ router, assertToken, log: options.log }, request, response);
  });
  const port = await listen(server, options);
  const lifeCycle = new LifeCycle(options);
  await lifeCycle.start();
  let closing: Promise<void> | null = null;
  return {
    port,
    close() {
      closing ??= closeServer(server, watches, options.clock).then(() => lifeCycle.close());
      return closing;
    },
  };
}

interface Serving {
  readonly router: Router;
  readonly assertToken: (request: IncomingMessage) => void;
  readonly log: Log;
}

/** Never rejects: what goes wrong is the answer. */
async function serve(serving: Serving, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const warnings = createWarnings(response);
  try {
    await writeAnswer(response, await answer(serving, request, warnings), {
      headers: request.headers,
      isUnread: false,
    });
  } catch (error) {
    const options = { headers: request.headers, isUnread: !request.complete };
    await writeAnswer(response, toErrorAnswer(serving.log, request, error), options);
  }
}

async function answer(serving: Serving, request: IncomingMessage, warnings: Warnings): Promise<ApiAnswer> {
  assertLocalHost(request);
  const url = new URL(request.url ?? "/", "http://localhost");
  const method = request.method ?? "GET";
  const path = url.pathname;
  if (!OPEN_PATHS.has(path)) serving.assertToken(request);
  const principal = OPEN_PATHS.has(path) ? NOBODY : HOME_PRINCIPAL;
  const { route, parameters } = serving.router.match(method, path);
  const { headers } = request;
  // Before the route does anything: an answer that cannot be had as asked for must not have changed anything.
  if (route.produces !== "any") chooseMedia(headers.accept, route.produces ?? OBJECT_MEDIA);
  const query = url.searchParams;
  return route.answer({
    method,
    path,
    parameters,
    query,
    headers,
    principal,
    readBody: () => readJsonBody(request),
    readText: () => readBodyText(request),
    warn: warnings.add,
  });
}

function toErrorAnswer(log: Log, request: IncomingMessage, error: unknown): ApiAnswer {
  const status = toStatus(log, request, error);
  return { kind: "json", statusCode: status.code, body: status };
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

function listen(server: Server, options: ApiServerOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const found = error.code === "EADDRINUSE" ? "the port is in use" : (error.code ?? error.message);
      reject(
        new WeftError(
          "WEFT_API_LISTEN",
          `Cannot listen on ${options.address}:${options.port} for the API: ${found}; expected a free port`,
          {
            hint: "Another mesh may be running on this machine: stop it, or choose another port",
            cause: error,
          },
        ),
      );
    });
    server.listen(options.port, options.address, () => {
      server.removeAllListeners("error");
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function closeServer(server: Server, watches: WatchLimiter, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const limit = clock.after(CLOSE_GRACE_MS, () => server.closeAllConnections(), undefined);
    server.close(() => {
      limit.clear();
      resolve();
    });
    for (const end of watches.open) end();
  });
}
