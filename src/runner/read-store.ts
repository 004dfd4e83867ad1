import type { StoreSettings } from "../control-bootstrap.ts";
import { ensureSealingKey } from "../control/secrets/sealing-key.ts";
import type { Random } from "../random/random.ts";
import type { LoadedWeftYaml } from "./load-weft-yaml.ts";
import { formatSecretsKeyPath, parseStore } from "./parse-store.ts";

export const LOCAL_STORE: StoreSettings = { kind: "lmdb", path: null };

/** The store that a weft.yaml names. */
export function readStore({ config, folder }: Pick<LoadedWeftYaml, "config" | "folder">, home: string): StoreSettings {
  return config.store === null ? LOCAL_STORE : parseStore(config.store.url, config.store.files, { folder, home });
}

/**
 * Makes the key of the mesh's secrets in the home, if it belongs there and is not there. A file that was named is never
 * made: a typing error would make a key that nobody else has.
 */
export async function prepareStore(store: StoreSettings, home: string, random: Random): Promise<void> {
  if (store.kind !== "etcd" || store.secretsKeyFile !== formatSecretsKeyPath(home)) return;
  await ensureSealingKey(store.secretsKeyFile, random);
}
