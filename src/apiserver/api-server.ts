import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { ControlPlaneViews } from "../control/views.ts";
import type { Log } from "../lib/log.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { Random } from "../random/random.ts";
import type { Store } from "../store/store.ts";
import type { Clock } from "../time/clock.ts";
import { AccessGuard } from "./access/access-guard.ts";
import { type AuditSink, NO_AUDIT } from "./access/audit-log.ts";
import { Authenticator } from "./access/authenticator.ts";
import { createReviewRoutes } from "./access/review-routes.ts";
import type { ReadUserCertificate } from "./access/user-certificate.ts";
import { createUserCertificateRoutes, type UserCertificateIssuer } from "./access/user-certificate-routes.ts";
import { UserDirectory } from "./access/user-directory.ts";
import { type ApiTls, createApiListener } from "./api-listener.ts";
import { type ApiRoute, createRouter, type Router } from "./api-route.ts";
import { createDiscoveryRoutes } from "./discovery-routes.ts";
import { createHealthRoutes } from "./health-routes.ts";
import { LifeCycle } from "./life-cycle/life-cycle.ts";
import { isLoopbackAddress } from "./loopback-address.ts";
import { createMetricsRoutes } from "./metrics/metrics-routes.ts";
import { createOpenApiRoutes } from "./openapi/openapi-routes.ts";
import { createResourceRoutes } from "./resource-routes.ts";
import { type Serving, serveRequest } from "./serve-request.ts";
import type { WatchLimiter } from "./watch-stream.ts";
import { createWeftRoutes } from "./weft-routes.ts";

export interface ApiServerOptions {
  readonly store: Store;
  readonly views: ControlPlaneViews;
  /** Who sends this as `authorization: Bearer` may do everything. */
  readonly token: string;
  /** Loopback takes plain HTTP, and TLS on the same port where there is `tls`; any other address takes TLS alone. */
  readonly address: string;
  /** 0 = any free. */
  readonly port: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly weftVersion: string;
  /** Left out or null: no TLS. */
  readonly tls?: ApiTls | null;
  /** Left out: client certificates are not looked at. */
  readonly readCertificate?: ReadUserCertificate;
  /** Makes certificates for users; left out: none can be had. */
  readonly issuer?: UserCertificateIssuer;
  /** Closed with the server. Default: none is kept. */
  readonly audit?: AuditSink;
}

export interface ApiServer {
  readonly port: number;
  /** All there are, in the order in which they are tried. */
  readonly routes: readonly ApiRoute[];
  /** Ends watches, lets other requests finish, and closes every connection. Calling again gives the same promise. */
  close(): Promise<void>;
}

/** What a request still running when the server closes may take to end. */
const CLOSE_GRACE_MS = 2_000;

/** Rejects with WEFT_API_LISTEN when the address cannot be bound. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { clock, log, store, token } = options;
  const tls = options.tls ?? null;
  const takesPlain = isLoopbackAddress(options.address);
  if (tls === null && !takesPlain) throw refusePlain(options.address);
  const watches: WatchLimiter = { open: new Set() };
  const routes = listRoutes(options, watches, () => router);
  const router = createRouter(routes);
  const users = new UserDirectory({ store, clock, log, onChange: () => guard.checkOpen() });
  const guard = new AccessGuard(
    new Authenticator({ token, users, readCertificate: options.readCertificate ?? null, clock }),
    clock,
  );
  await users.start();
  const serving: Serving = { router, guard, audit: options.audit ?? NO_AUDIT, tls, log };
  const server = createApiListener({ tls, takesPlain, clock });
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    void serveRequest(serving, request, response);
  });
  const port = await listen(server, options).catch((error: unknown) => {
    users.close();
    throw error;
  });
  const lifeCycle = new LifeCycle(options);
  await lifeCycle.start();
  let closing: Promise<void> | null = null;
  return {
    port,
    routes,
    close() {
      closing ??= closeServer(server, watches, clock).then(() => {
        users.close();
        serving.audit.close();
        return lifeCycle.close();
      });
      return closing;
    },
  };
}

/** Literal paths first: `/api/{version}/{plural}` would otherwise take them. */
function listRoutes(options: ApiServerOptions, watches: WatchLimiter, router: () => Router): readonly ApiRoute[] {
  return [
    ...createHealthRoutes(options.store),
    ...createWeftRoutes(options.views),
    ...createReviewRoutes(router),
    ...(options.issuer === undefined ? [] : createUserCertificateRoutes({ ...options, issuer: options.issuer })),
    ...createDiscoveryRoutes(options.weftVersion),
    ...createOpenApiRoutes(options.weftVersion),
    ...createMetricsRoutes(options),
    ...createResourceRoutes({ ...options, watches }),
  ];
}

function refusePlain(address: string): WeftError {
  return new WeftError(
    "WEFT_API_LISTEN",
    `Cannot serve the API on ${address} without TLS: found no certificate; expected one wherever it is not loopback`,
  );
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
