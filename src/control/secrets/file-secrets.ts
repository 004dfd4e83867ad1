import { existsSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { openPrivateFolder, readPrivateFile, writePrivateFile } from "../../lib/private-files.ts";
import type { Clock } from "../../time/clock.ts";
import type { PutSecretOptions, SecretName, SharedSecrets } from "../shared-secrets.ts";
import { assertSecretName } from "./secret-name.ts";

export interface FileSecretsOptions {
  /** Private; secrets are files in folders below it. Only one process may use it at a time. */
  readonly folder: string;
  readonly clock: Pick<Clock, "wallMs">;
}

interface StoredSecret {
  readonly path: string;
  /** Null = never. */
  readonly forgetWallMs: number | null;
}

/** What may be forgotten has its time in its name, so that nothing need be read to know: `<name>~<wall time in ms>`. */
const FORGETTABLE = /^(.+)~(\d{13,15})$/;
const TEMPORARY = /\.tmp$/;

/** Secrets of a control plane that is alone: each a private file, `ca/root.pem` in `<folder>/ca/root.pem`. */
export class FileSecrets implements SharedSecrets {
  readonly #options: FileSecretsOptions;
  /** What is in each folder, by name; read when the folder is first used. */
  readonly #folders: Map<string, Map<string, StoredSecret>> = new Map();
  #replacing: Promise<unknown> = Promise.resolve();

  constructor(options: FileSecretsOptions) {
    this.#options = options;
  }

  get(name: SecretName): Promise<string | null> {
    try {
      const stored = this.#open(name).get(name);
      return Promise.resolve(stored === undefined ? null : readPrivateFile(stored.path));
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  async putIfAbsent(name: SecretName, value: string, { forgetAfterMs }: PutSecretOptions = {}): Promise<boolean> {
    const stored = this.#open(name);
    this.#forget(stored);
    if (stored.has(name)) return false;
    const forgetWallMs = forgetAfterMs === undefined ? null : Math.ceil(this.#options.clock.wallMs() + forgetAfterMs);
    const path = join(this.#options.folder, forgetWallMs === null ? name : `${name}~${forgetWallMs}`);
    // Before anything is awaited: a call at the same time finds it taken.
    stored.set(name, { path, forgetWallMs });
    try {
      await writePrivateFile(path, value);
    } catch (error) {
      // A name whose file may have reached the disk stays taken: a restart would find it so.
      if (!existsSync(path)) stored.delete(name);
      throw error;
    }
    return true;
  }

  /** One after the other: nobody else uses the folder. */
  replace(name: SecretName, expected: string, value: string): Promise<boolean> {
    const replaced = this.#replacing.then(async () => {
      const stored = this.#open(name).get(name);
      if (stored === undefined || readPrivateFile(stored.path) !== expected) return false;
      await writePrivateFile(stored.path, value);
      return true;
    });
    this.#replacing = replaced.catch(() => undefined);
    return replaced;
  }

  describe(name: SecretName): string {
    return `"${join(this.#options.folder, name)}"`;
  }

  #open(name: SecretName): Map<string, StoredSecret> {
    assertSecretName(name);
    const part = dirname(name);
    const folder = join(this.#options.folder, part);
    // Every time: what others may read meanwhile is refused.
    openPrivateFolder(folder);
    let stored = this.#folders.get(part);
    if (stored === undefined) {
      stored = new Map();
      for (const file of readdirSync(folder)) {
        // Half-written files of a crash; nobody was told of them.
        if (TEMPORARY.test(file)) continue;
        const [, base = file, forgetAt] = FORGETTABLE.exec(file) ?? [];
        const forgetWallMs = forgetAt === undefined ? null : Number(forgetAt);
        stored.set(`${part}/${base}`, { path: join(folder, file), forgetWallMs });
      }
      this.#folders.set(part, stored);
    }
    return stored;
  }

  #forget(stored: Map<string, StoredSecret>): void {
    const nowMs = this.#options.clock.wallMs();
    for (const [name, { path, forgetWallMs }] of stored) {
      if (forgetWallMs === null || nowMs < forgetWallMs) continue;
      stored.delete(name);
      // A file that stays is found, and forgotten again, after the next start.
      rm(path, { force: true }).catch(() => undefined);
    }
  }
}
