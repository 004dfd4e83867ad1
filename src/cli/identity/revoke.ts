import { createHash } from "node:crypto";
import { normaliseSerialNumber } from "../../identity/revocation-list.ts";
import { parseSpiffeId } from "../../identity/spiffe-id.ts";
import { WeftError } from "../../lib/weft-error.ts";
import type { Revocation, RevocationSpec } from "../../resources/revocation.ts";
import { formatWallTime } from "../../time/wall-time.ts";
import type { CliContext } from "../context.ts";
import { createUsageError } from "../usage-error.ts";

const REVOCATION = { group: "weft.dev", kind: "Revocation", namespace: "" } as const;
/** No certificate of a mesh lives longer, so nobody has to remember its serial number after that. */
const LONGEST_CERTIFICATE_MS = 366 * 86_400_000;
const SERIAL = /^[0-9a-f]{8,40}$/;
const WORKLOAD = /^[a-z0-9-]+\/[a-z0-9.-]+$/;

/** Revoking what is revoked changes its reason and nothing else. */
export async function revoke(context: CliContext, subject: string, reason: string | null): Promise<void> {
  const wallMs = context.clock.wallMs();
  const spec = { ...toSpec(subject, wallMs), ...(reason === null ? {} : { reason }) };
  const name = toName(spec);
  const resource: Revocation = {
    apiVersion: "weft.dev/v1alpha1",
    kind: "Revocation",
    metadata: { name, namespace: "" },
    spec,
  };
  const client = await context.openApi();
  try {
    await client.apply(resource);
    context.stdout.write(`revocation/${name}: ${subject} is cut off\n`);
  } finally {
    client.close();
  }
}

export async function unrevoke(context: CliContext, subject: string): Promise<void> {
  const name = toName(toSpec(subject, context.clock.wallMs()));
  const client = await context.openApi();
  try {
    if ((await client.delete({ ...REVOCATION, name })) === null) {
      throw new WeftError("WEFT_API_NOT_FOUND", `Cannot unrevoke ${subject}: found no revocation of it`, {
        hint: "All of them: `weft get revocations`",
      });
    }
    context.stdout.write(`revocation/${name} deleted: ${subject} may connect again\n`);
  } finally {
    client.close();
  }
}

function toSpec(subject: string, wallMs: number): RevocationSpec {
  if ((parseSpiffeId(subject)?.segments.length ?? 0) > 0) return { spiffeId: subject };
  if (WORKLOAD.test(subject)) return { workload: subject };
  const serialNumber = normaliseSerialNumber(subject);
  if (SERIAL.test(serialNumber)) {
    return { serialNumber, notAfter: formatWallTime(wallMs + LONGEST_CERTIFICATE_MS) };
  }
  throw createUsageError(
    `Cannot revoke ${JSON.stringify(subject)}: expected <namespace>/<workload>, a SPIFFE ID or a serial number`,
    "Workloads: `weft proxy list`; serial numbers: `openssl x509 -serial`",
  );
}

/** The same subject has the same name, so that it is revoked once. */
function toName({ workload, spiffeId, serialNumber }: RevocationSpec): string {
  if (workload !== undefined) return `workload.${workload.replace("/", ".")}`;
  if (serialNumber !== undefined) return `serial.${serialNumber}`;
  return `identity.${createHash("sha256")
    .update(spiffeId ?? "")
    .digest("hex")
    .slice(0, 32)}`;
}
