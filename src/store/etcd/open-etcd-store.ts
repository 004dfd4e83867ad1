import { EtcdStore, type EtcdStoreOptions } from "./etcd-store.ts";

/** Resolves when everything is loaded. Rejects with WEFT_STORE_UNREACHABLE or WEFT_STORE_DENIED. */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<EtcdStore> {
  const store = new EtcdStore(options);
  await store.open();
  return store;
}
