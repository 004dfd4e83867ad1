import type { ProxyBootstrap } from "../../proxy-node.ts";

/** More than this many would cost a sidecar's machine more memory (30 to 60 MB each) than it gains. */
const MOST_SIDECAR_WORKERS = 4;
const MOST_INGRESS_WORKERS = 16;

/**
 * How many workers "auto" stands for. A sidecar shares its cores with the app beside it, which needs more of them for a
 * request than its proxy does: it takes half, and at most four. An ingress takes every core.
 */
export function countWorkers({ workers, role }: Pick<ProxyBootstrap, "workers" | "role">, cores: number): number {
  if (workers !== "auto") return workers ?? 1;
  const wanted = role === "sidecar" ? Math.min(Math.floor(cores / 2), MOST_SIDECAR_WORKERS) : cores;
  return Math.max(1, Math.min(wanted, MOST_INGRESS_WORKERS));
}
