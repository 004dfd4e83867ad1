import type { Store } from "../store/store.ts";
import type { ApiAnswer, ApiRoute } from "./api-route.ts";

/** /healthz and /livez: the process answers. /readyz: its store can be read, too. They tell nothing but up or down. */
export function createHealthRoutes(store: Store): readonly ApiRoute[] {
  return [
    { method: "GET", path: "/healthz", access: "open", produces: "any", answer: () => text(200, "ok") },
    { method: "GET", path: "/livez", access: "open", produces: "any", answer: () => text(200, "ok") },
    { method: "GET", path: "/readyz", access: "open", produces: "any", answer: () => readiness(store) },
  ];
}

async function readiness(store: Store): Promise<ApiAnswer> {
  try {
    await store.list({ group: "weft.dev", kind: "Mesh" });
    return text(200, "ok");
  } catch {
    return text(503, "the store cannot be read");
  }
}

function text(statusCode: number, body: string): ApiAnswer {
  return { kind: "text", statusCode, body: `${body}\n` };
}
