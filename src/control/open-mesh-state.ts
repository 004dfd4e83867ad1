import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { EtcdSettings, StoreSettings } from "../control-bootstrap.ts";
import type { Log } from "../lib/log.ts";
import { readPrivateFile } from "../lib/private-files.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { Random } from "../random/random.ts";
import type { Store } from "../store/store.ts";
import type { EtcdClientOptions, EtcdTls } from "../store/etcd/etcd-client.ts";
import { openLmdbStore } from "../store/lmdb.ts";
import type { Clock } from "../time/clock.ts";
import type { ClosingStack } from "./closing-stack.ts";
import { type JobLease, SOLE_JOB_LEASE } from "./replicas/job-lease.ts";
import { createSoleDirectory, type Replica, type ReplicaDirectory } from "./replicas/replica-directory.ts";
import { FileSecrets } from "./secrets/file-secrets.ts";
import type { SharedSecrets } from "./shared-secrets.ts";

export interface MeshStateOptions {
  /** Private, locked by the caller. */
  readonly stateDir: string;
  readonly meshName: string;
  readonly settings: StoreSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** What the control planes of a mesh have in common, or what a control plane that is alone has to itself. */
export interface MeshState {
  readonly store: Store;
  readonly secrets: SharedSecrets;
  /** Whether other control planes may be there, now or later. */
  readonly isShared: boolean;
  /** Tells the others of this one, once it serves. */
  enter(self: Replica, closing: ClosingStack): Promise<Membership>;
}

export interface Membership {
  readonly directory: ReplicaDirectory;
  readonly jobs: JobLease;
}

/** Rejects with WEFT_STORE_… when the store cannot be used, WEFT_SECRETS_… or WEFT_STATE_… for the files it needs. */
export async function openMeshState(options: MeshStateOptions, closing: ClosingStack): Promise<MeshState> {
  const { settings } = options;
  return settings.kind === "etcd" ? await openShared(options, settings, closing) : await openSole(options, closing);
}

async function openSole({ stateDir, settings, clock, random }: MeshStateOptions, closing: ClosingStack) {
  const path = (settings.kind === "lmdb" ? settings.path : null) ?? join(stateDir, "store");
  const store = await openLmdbStore({ path, clock, random });
  closing.add(() => store.close());
  return {
    store,
    secrets: new FileSecrets({ folder: stateDir, clock }),
    isShared: false,
    enter: (self: Replica) => Promise.resolve({ directory: createSoleDirectory(self), jobs: SOLE_JOB_LEASE }),
  };
}

/** Code that only etcd needs is loaded only then. */
async function openShared(
  { meshName, clock, random, log }: MeshStateOptions,
  settings: EtcdSettings,
  closing: ClosingStack,
): Promise<MeshState> {
  const [{ createEtcdClient }, { openEtcdStore }, { createEtcdKeys }, { EtcdSecrets }, { readSealingKey }] =
    await Promise.all([
      import("../store/etcd/create-etcd-client.ts"),
      import("../store/etcd/open-etcd-store.ts"),
      import("../store/etcd/etcd-keys.ts"),
      import("./secrets/etcd-secrets.ts"),
      import("./secrets/sealing-key.ts"),
    ]);
  const key = readSealingKey(settings.secretsKeyFile, random);
  const client = createEtcdClient({ ...readEtcdOptions(settings), clock, random, log });
  closing.add(() => client.close());
  const keys = createEtcdKeys(meshName);
  const store = await openEtcdStore({ client, mesh: meshName, clock, random, log });
  closing.add(() => store.close());
  return {
    store,
    secrets: new EtcdSecrets({ client, prefix: `${keys.mesh}secrets/`, key, clock }),
    isShared: true,
    enter: async (self, steps) => {
      const [{ EtcdReplicas, formatReplica }, { EtcdSession }] = await Promise.all([
        import("./replicas/etcd-replicas.ts"),
        import("./replicas/etcd-session.ts"),
      ]);
      const prefix = `${keys.mesh}replicas/`;
      const directory = new EtcdReplicas({ client, prefix, self, clock, log });
      steps.add(() => directory.close());
      await directory.start();
      const session = new EtcdSession({
        client,
        id: self.id,
        presenceKey: `${prefix}${self.id}`,
        presence: formatReplica(self),
        jobsKey: `${keys.mesh}jobs`,
        clock,
        log,
      });
      steps.add(() => session.close());
      await session.start();
      // Whoever went may have had the jobs.
      steps.add(directory.onChange(() => session.beat()));
      return { directory, jobs: session };
    },
  };
}

function readEtcdOptions(settings: EtcdSettings): Pick<EtcdClientOptions, "endpoints" | "tls" | "user"> {
  const { endpoints, user, passwordFile } = settings;
  const tls = readTls(settings);
  return {
    endpoints,
    ...(tls === null ? {} : { tls }),
    ...(user === null ? {} : { user: { name: user, password: readPassword(passwordFile) } }),
  };
}

function readTls({ caFile, certificateFile, keyFile }: EtcdSettings): EtcdTls | null {
  if (caFile === null && certificateFile === null && keyFile === null) return null;
  return {
    ...(caFile === null ? {} : { caPem: readPem(caFile) }),
    ...(certificateFile === null ? {} : { certificatePem: readPem(certificateFile) }),
    ...(keyFile === null ? {} : { keyPem: readPrivateFile(keyFile) ?? readPem(keyFile) }),
  };
}

function readPem(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const found = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new WeftError("WEFT_STORE_INVALID", `Cannot read "${path}" for etcd: found ${found}; expected a PEM file`, {
      cause: error,
    });
  }
}

function readPassword(path: string | null): string {
  const password = path === null ? null : readPrivateFile(path);
  if (password !== null) return password.trim();
  throw new WeftError(
    "WEFT_STORE_INVALID",
    `Cannot use etcd with a user: found ${path === null ? "no file" : `no file "${path}"`} with the password; expected one (0600)`,
  );
}
