import type { Ingress } from "../../resources/ingress.ts";
import { coversHost, readTlsSecret } from "../../resources/read-tls-secret.ts";
import type { Resource } from "../../resources/resource.ts";
import type { Secret } from "../../resources/secret.ts";
import { formatWallTime, parseWallTime } from "../../time/wall-time.ts";

const SOON_MS = 7 * 24 * 3_600_000;

/** What is wrong with certificates that Ingresses name and that are readable: the model speaks of the others. */
export function listCertificateFaults(resources: readonly Resource[], wallMs: number): readonly string[] {
  const secrets = new Map<string, Secret>();
  for (const resource of resources) {
    if (resource.kind === "Secret") secrets.set(keyOf(resource, resource.metadata.name), resource as Secret);
  }
  return resources.flatMap((resource) => {
    return resource.kind === "Ingress" ? listFaults(resource as Ingress, secrets, wallMs) : [];
  });
}

function listFaults(ingress: Ingress, secrets: ReadonlyMap<string, Secret>, wallMs: number): readonly string[] {
  const found: string[] = [];
  for (const { hosts: written, secretName = "" } of ingress.spec.tls) {
    const secret = secrets.get(keyOf(ingress, secretName));
    const read = secret === undefined ? null : readTlsSecret(secret);
    if (read === null || "fault" in read) continue;
    const { leaf } = read.content;
    const where = `Ingress/${ingress.metadata.name}: the certificate in the Secret "${secretName}"`;
    const [fromMs, toMs] = [parseWallTime(leaf.validFrom), parseWallTime(leaf.validTo)];
    if (toMs <= wallMs) found.push(`${where} has expired: ${formatWallTime(toMs)}`);
    else if (toMs - wallMs < SOON_MS) found.push(`${where} expires in less than 7 days: ${formatWallTime(toMs)}`);
    if (fromMs > wallMs) found.push(`${where} is not valid before ${formatWallTime(fromMs)}`);
    const hosts = written.length > 0 ? written : ingress.spec.rules.map(({ host }) => host);
    const uncovered = hosts.filter((host) => host !== "" && !coversHost(leaf, host));
    if (uncovered.length > 0) found.push(`${where} does not name ${uncovered.join(", ")}`);
  }
  return found;
}

function keyOf({ metadata }: Resource, name: string): string {
  return `${metadata.namespace}/${name}`;
}
