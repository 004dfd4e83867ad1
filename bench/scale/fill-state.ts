import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { FileSecrets } from "../../src/control/secrets/file-secrets.ts";
import { openCertificateAuthority } from "../../src/control/ca/certificate-authority.ts";
import { openPrivateFolder } from "../../src/lib/private-files.ts";
import { systemRandom } from "../../src/random/system-random.ts";
import { openLmdbStore } from "../../src/store/lmdb.ts";
import { formatProblem } from "../../src/resources/problem.ts";
import type { Resource } from "../../src/resources/resource.ts";
import { validateResource } from "../../src/resources/validate.ts";
import { systemClock } from "../../src/time/system-clock.ts";
import type { ScaleMesh } from "./scale-mesh.ts";
import type { LoadIdentity } from "./load-orders.ts";

export interface FilledState {
  readonly trustBundlePem: string;
  /** One for each proxy of the mesh, in its order. */
  readonly identities: readonly LoadIdentity[];
}

const DAY_MS = 24 * 3_600_000;
const WRITES_AT_ONCE = 256;

/**
 * Makes the state folder of a control plane that has not been started yet: its store holds the mesh's resources, its CA has
 * issued a certificate for each proxy. Writing through the API would take minutes and measure something else.
 */
export async function fillState(stateDir: string, mesh: ScaleMesh, trustDomain: string): Promise<FilledState> {
  openPrivateFolder(stateDir);
  const clock = systemClock;
  const random = systemRandom;
  const store = await openLmdbStore({ path: join(stateDir, "store"), clock, random });
  for (let at = 0; at < mesh.resources.length; at += WRITES_AT_ONCE) {
    const some = mesh.resources.slice(at, at + WRITES_AT_ONCE);
    await Promise.all(some.map((resource) => store.put(withDefaults(resource))));
  }
  await store.close();
  const authority = await openCertificateAuthority({
    secrets: new FileSecrets({ folder: stateDir, clock }),
    trustDomain,
    clock,
    random,
  });
  const identities: LoadIdentity[] = [];
  for (const { namespace, workload, serviceAccount } of mesh.proxies) {
    const { publicKey, privateKey } = generateKeyPairSync("ec", {
      namedCurve: "P-256",
      publicKeyEncoding: { type: "spki", format: "der" },
      privateKeyEncoding: { type: "pkcs8", format: "der" },
    });
    const issued = await authority.issue({
      namespace,
      serviceAccount,
      workload,
      publicKeyDer: publicKey,
      lifetimeMs: DAY_MS,
    });
    const key = createPrivateKey({ key: privateKey, format: "der", type: "pkcs8" });
    identities.push({
      keyPem: key.export({ type: "pkcs8", format: "pem" }).toString(),
      certificateChainPem: issued.certificateChainPem,
    });
  }
  return { trustBundlePem: authority.trustBundlePem, identities };
}

/** As the API server stores it. */
function withDefaults(wanted: Resource): Resource {
  const { resource, problems } = validateResource(wanted, { file: "bench" });
  if (resource === null) throw new Error(`A made-up resource is not valid: ${problems.map(formatProblem).join("; ")}`);
  return resource;
}
