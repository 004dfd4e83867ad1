import { formatWallTime } from "../../time/wall-time.ts";

/** As Kubernetes writes times into objects: UTC, whole seconds. */
export function formatOwnerTime(wallMs: number): string {
  return formatWallTime(Math.floor(wallMs / 1000) * 1000).replace(".000Z", "Z");
}
