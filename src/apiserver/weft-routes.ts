import { type ControlPlaneViews, type JoinRequest, type StatRow, TRAFFIC_KEPT_MS } from "../control/views.ts";
import { maySee, type Principal } from "./access/principal.ts";
import { readRotateRequest, toRefusal } from "./rotate-request.ts";
import { type ApiAnswer, type ApiCall, type ApiRoute, json } from "./api-route.ts";
import { StatusError } from "./status.ts";

const DEFAULT_WINDOW_MS = 60_000;
const MIN_WINDOW_MS = 1_000;
/** Of what is not counted by the second. */
const MAX_SEEN_MS = 24 * 3_600_000;
const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** Service accounts, and workloads, may have dots. */
const DNS_SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

/** weft's own paths, beside resources: joining, proxies, traffic. */
export function createWeftRoutes(views: ControlPlaneViews): readonly ApiRoute[] {
  return [
    {
      method: "GET",
      path: "/weft/v1/mesh",
      access: { verb: "get", resource: "meshes" },
      answer: () => json(views.mesh()),
    },
    {
      method: "GET",
      path: "/weft/v1/proxies",
      access: { verb: "list", resource: "proxies", namespaceIn: "filtered" },
      answer: async ({ principal }) =>
        json({ items: (await views.proxies()).filter(({ id }) => maySee(principal, namespaceOf(id))) }),
    },
    {
      method: "GET",
      path: "/weft/v1/replicas",
      access: { verb: "list", resource: "replicas" },
      answer: async () => json({ items: await views.replicas() }),
    },
    {
      method: "GET",
      path: "/weft/v1/trust",
      access: { verb: "get", resource: "trust" },
      answer: async () => json(await views.trust()),
    },
    {
      method: "POST",
      path: "/weft/v1/trust/rotation",
      access: { verb: "create", resource: "trust" },
      answer: async (call) => {
        const rotation = await views.rotateRoot(readRotateRequest(await call.readBody())).catch(toRefusal);
        call.noteWrite();
        return json(rotation, 201);
      },
    },
    {
      method: "GET",
      path: "/metrics",
      access: { verb: "get", resource: "metrics" },
      produces: "any",
      answer: () => ({ kind: "text", statusCode: 200, body: views.metrics() }),
    },
    {
      method: "GET",
      path: "/weft/v1/proxies/{namespace}/{workload}/config",
      access: { verb: "get", resource: "proxies", subresource: "config" },
      answer: (call) => proxyConfig(views, call),
    },
    {
      method: "GET",
      path: "/weft/v1/stat",
      access: { verb: "list", resource: "traffic", namespaceIn: "filtered" },
      answer: async (call) =>
        json({ items: visibleTo(call.principal, await views.stat(readWindowMs(call, TRAFFIC_KEPT_MS))) }),
    },
    {
      method: "GET",
      path: "/weft/v1/would-deny",
      access: { verb: "list", resource: "traffic", namespaceIn: "filtered" },
      answer: async (call) =>
        json({ items: visibleTo(call.principal, await views.wouldDeny(readWindowMs(call, MAX_SEEN_MS))) }),
    },
    {
      method: "POST",
      path: "/weft/v1/workloads",
      access: { verb: "create", resource: "workloads", namespaceIn: "body" },
      answer: async (call) => {
        const grant = await views.grantJoin(readJoin(await call.readBody()));
        call.noteWrite();
        return json(grant, 201);
      },
    },
  ];
}

/** Traffic concerns both its ends. */
function visibleTo<Row extends Pick<StatRow, "source" | "destination">>(
  principal: Principal,
  rows: readonly Row[],
): readonly Row[] {
  return rows.filter(
    ({ source, destination }) => maySee(principal, namespaceOf(source)) || maySee(principal, namespaceOf(destination)),
  );
}

/** Of "<namespace>/<name>". */
function namespaceOf(id: string): string {
  return id.slice(0, Math.max(0, id.indexOf("/")));
}

async function proxyConfig(views: ControlPlaneViews, call: ApiCall): Promise<ApiAnswer> {
  const { namespace = "", workload = "" } = call.parameters;
  const config = await views.proxyConfig(`${namespace}/${workload}`);
  if (config !== null) return json(config);
  throw new StatusError(
    "NotFound",
    `Cannot find the proxy "${namespace}/${workload}"; expected one that GET /weft/v1/proxies lists`,
    {
      name: workload,
      kind: "proxies",
    },
  );
}

function readWindowMs(call: ApiCall, maxMs: number): number {
  const text = call.query.get("windowMs");
  if (text === null) return DEFAULT_WINDOW_MS;
  const windowMs = Number(text);
  if (/^\d+$/.test(text) && windowMs >= MIN_WINDOW_MS && windowMs <= maxMs) return windowMs;
  throw new StatusError(
    "BadRequest",
    `Cannot read windowMs: found "${text}"; expected a whole number of ${MIN_WINDOW_MS} to ${maxMs}, for so long it is kept`,
  );
}

function readJoin(body: unknown): JoinRequest {
  const fields = (typeof body === "object" && body !== null ? body : {}) as Partial<Record<string, unknown>>;
  const causes = [
    checkName(fields, "namespace", DNS_LABEL),
    checkName(fields, "workload", DNS_SUBDOMAIN),
    checkName(fields, "serviceAccount", DNS_SUBDOMAIN),
  ].filter((cause) => cause !== null);
  if (causes.length > 0) {
    const list = causes.map((cause) => `${cause.field}: ${cause.message}`);
    throw new StatusError("Invalid", `Cannot let a workload join: ${list.join("; ")}`, { kind: "workloads", causes });
  }
  const { namespace, workload, serviceAccount } = fields as Record<"namespace" | "workload" | "serviceAccount", string>;
  return { namespace, workload, serviceAccount };
}

function checkName(
  fields: Partial<Record<string, unknown>>,
  field: string,
  pattern: RegExp,
): { readonly reason: string; readonly message: string; readonly field: string } | null {
  const value = fields[field];
  if (typeof value === "string" && pattern.test(value)) return null;
  const reason = value === undefined ? "FieldValueRequired" : "FieldValueInvalid";
  const found = value === undefined ? "nothing" : JSON.stringify(value);
  return { reason, field, message: `found ${found}; expected a DNS name in lower case` };
}
