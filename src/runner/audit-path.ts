import { join } from "node:path";

/** Of the audit log of a home. */
export function formatAuditPath(home: string): string {
  return join(home, "logs", "audit.jsonl");
}
