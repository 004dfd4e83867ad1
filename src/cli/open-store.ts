import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "../lib/log.ts";
import { readPrivateFile } from "../lib/private-files.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { EtcdTls } from "../store/etcd/etcd-client.ts";
import type { Store } from "../store/store.ts";
import type { CliContext } from "./context.ts";

/** Which etcd, and who asks. */
export interface EtcdChoice {
  readonly etcd: string;
  readonly mesh?: string;
  readonly etcdCa?: string;
  readonly etcdCert?: string;
  readonly etcdKey?: string;
  readonly etcdUser?: string;
  readonly etcdPasswordFile?: string;
}

export interface OpenedStore {
  readonly store: Store;
  /** For messages. */
  readonly place: string;
  readonly close: () => Promise<void>;
}

/** The mesh's part of an etcd, whether control planes run on it or not. */
export async function openStoreInEtcd(context: CliContext, choice: EtcdChoice): Promise<OpenedStore> {
  const [{ createEtcdClient }, { openEtcdStore }] = await Promise.all([
    import("../store/etcd/create-etcd-client.ts"),
    import("../store/etcd/open-etcd-store.ts"),
  ]);
  if (choice.mesh === undefined) {
    throw new WeftError("WEFT_CLI_USAGE", "Cannot use etcd: found no --mesh; expected the name of the mesh in it");
  }
  const { clock, random } = context;
  const log = createWarningLog(context);
  const tls = readTls(choice);
  const client = createEtcdClient({
    endpoints: choice.etcd.split(","),
    ...(tls === null ? {} : { tls }),
    ...(choice.etcdUser === undefined ? {} : { user: { name: choice.etcdUser, password: readPassword(choice) } }),
    clock,
    random,
    log,
  });
  // The clock's timers keep no process alive, and between two tries nothing else does.
  const holder = new MessageChannel().port1;
  holder.ref();
  try {
    const store = await openEtcdStore({ client, mesh: choice.mesh, clock, random, log });
    return {
      store,
      place: `mesh "${choice.mesh}" in etcd`,
      close: async () => {
        await store.close();
        client.close();
        holder.close();
      },
    };
  } catch (error) {
    client.close();
    holder.close();
    throw error;
  }
}

/** The home's own store on this disk. Throws WEFT_CONTROL_LOCKED when its control plane runs. */
export async function openStoreOfHome(context: CliContext): Promise<OpenedStore> {
  const [{ acquireStateLock }, { openLmdbStore }] = await Promise.all([
    import("../control/state-lock.ts"),
    import("../store/lmdb.ts"),
  ]);
  const stateDir = join(context.findHome(), "control");
  if (!existsSync(stateDir)) {
    throw new WeftError(
      "WEFT_STORE_OPEN",
      `Cannot open the store of "${context.findHome()}": found none; expected a home`,
      {
        hint: "Run `weft up` once, or name another home with --home",
      },
    );
  }
  const lock = acquireStateLock(stateDir);
  try {
    const { clock, random } = context;
    const path = join(stateDir, "store");
    const store = await openLmdbStore({ path, clock, random });
    return {
      store,
      place: path,
      close: async () => {
        await store.close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

function readTls({ etcdCa, etcdCert, etcdKey }: EtcdChoice): EtcdTls | null {
  if (etcdCa === undefined && etcdCert === undefined && etcdKey === undefined) return null;
  return {
    ...(etcdCa === undefined ? {} : { caPem: readFileSync(etcdCa, "utf8") }),
    ...(etcdCert === undefined ? {} : { certificatePem: readFileSync(etcdCert, "utf8") }),
    ...(etcdKey === undefined ? {} : { keyPem: readFileSync(etcdKey, "utf8") }),
  };
}

function readPassword({ etcdPasswordFile }: EtcdChoice): string {
  const password = etcdPasswordFile === undefined ? null : readPrivateFile(etcdPasswordFile);
  if (password !== null) return password.trim();
  throw new WeftError(
    "WEFT_CLI_USAGE",
    "Cannot use --etcd-user: found no --etcd-password-file; expected a file (0600)",
  );
}

function createWarningLog({ stderr }: CliContext): Log {
  const write = (message: string): void => stderr.write(`${message}\n`);
  return { debug: () => {}, info: () => {}, warn: write, error: write };
}
