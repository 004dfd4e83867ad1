import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { openCertificateAuthority, type CertificateAuthority } from "../control/ca/certificate-authority.ts";
import { readProvenKey } from "../control/ca/certificate-request.ts";
import { FileSecrets } from "../control/secrets/file-secrets.ts";
import type { SvidManagerOptions } from "../identity/svid-contract.ts";
import { SvidManager } from "../identity/svid-manager.ts";
import type { Log, LogFields } from "../lib/log.ts";
import { WeftError } from "../lib/weft-error.ts";
import { systemRandom } from "../random/system-random.ts";
import { FakeClock } from "./fake-clock.ts";

export const LIFETIME_MS: number = 100_000;
export const BACKDATE_MS: number = 10_000;
/** The random source below always gives 0: renewal at 45 % of the whole validity. */
export const RENEW_AFTER_MS: number = 0.45 * (LIFETIME_MS + BACKDATE_MS) - BACKDATE_MS;
export const SPIFFE_ID: string = "spiffe://shop.mesh/ns/default/sa/reviews";
export const REFUSED: WeftError = new WeftError(
  "WEFT_IDENTITY_REFUSED",
  "Cannot get a certificate: the control plane refused",
);
export const UNREACHABLE: WeftError = new WeftError(
  "WEFT_IDENTITY_UNREACHABLE",
  "Cannot get a certificate: UNAVAILABLE",
);

const folder = mkdtempSync(join(tmpdir(), "weft-svid-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;

export function createFolder(): string {
  count += 1;
  return join(folder, String(count));
}

export function createAuthority(clock: FakeClock): Promise<CertificateAuthority> {
  return openCertificateAuthority({
    secrets: new FileSecrets({ folder: createFolder(), clock }),
    trustDomain: "shop.mesh",
    clock,
    random: systemRandom,
  });
}

/** A workload's state folder and a control plane that answers as the test says. */
export class Scene {
  readonly clock: FakeClock;
  readonly stateDir: string = createFolder();
  readonly lines: string[] = [];
  /** One entry per request: the credential it carried. */
  readonly requests: (string | null)[] = [];
  authority: CertificateAuthority;
  answer: "sign" | Error = "sign";
  serviceAccount: string = "reviews";

  constructor(clock: FakeClock, authority: CertificateAuthority) {
    this.clock = clock;
    this.authority = authority;
  }

  createManager(change: Partial<SvidManagerOptions> = {}): SvidManager {
    return new SvidManager({
      workload: "reviews-v1-0",
      spiffeId: SPIFFE_ID,
      trustBundlePem: this.authority.trustBundlePem,
      stateDir: this.stateDir,
      joinCredential: "one-time",
      clock: this.clock,
      random: { ...systemRandom, next: () => 0 },
      log: this.#createLog(),
      sign: async (requestDer, workload, joinCredential) => {
        this.requests.push(joinCredential);
        if (this.answer instanceof Error) throw this.answer;
        const publicKeyDer = await readProvenKey(requestDer);
        const binding = { namespace: "default", serviceAccount: this.serviceAccount, workload };
        const issued = await this.authority.issue({ ...binding, publicKeyDer, lifetimeMs: LIFETIME_MS });
        return { ...issued, trustBundlePem: this.authority.trustBundlePem };
      },
      ...change,
    });
  }

  #createLog(): Log {
    const write = (level: string) => (message: string, fields?: LogFields) => {
      this.lines.push(`${level}: ${message}`);
      assert.doesNotMatch(JSON.stringify(fields ?? {}), /PRIVATE KEY|one-time/);
    };
    return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
  }
}

export async function createScene(): Promise<Scene> {
  const clock = new FakeClock();
  return new Scene(clock, await createAuthority(clock));
}
