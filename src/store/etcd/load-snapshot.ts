import { WeftError } from "../../lib/weft-error.ts";
import type { EtcdClient, EtcdKeyValue } from "./etcd-client.ts";
import { prefixEnd } from "./etcd-client.ts";

export interface EtcdSnapshot {
  readonly kvs: readonly EtcdKeyValue[];
  /** All of `kvs` are as of this revision. */
  readonly revision: number;
}

/** Keeps an answer below some 10 MB, were every value as large as weft's usual ones. */
const PAGE = 1_000;
/** A compaction between two pages means to begin again; more than this means that it happens all the time. */
const MAX_TRIES = 5;

/** All keys that begin with `prefix`, at one revision, in pages. Rejects as EtcdClient.range does. */
export async function loadSnapshot(client: EtcdClient, prefix: string): Promise<EtcdSnapshot> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await loadPages(client, prefix);
    } catch (error) {
      const isCompacted = error instanceof WeftError && error.code === "WEFT_STORE_TOO_OLD";
      if (!isCompacted || attempt === MAX_TRIES) throw error;
    }
  }
}

async function loadPages(client: EtcdClient, prefix: string): Promise<EtcdSnapshot> {
  const rangeEnd = prefixEnd(prefix);
  const first = await client.range({ key: prefix, rangeEnd, limit: PAGE });
  const { revision } = first;
  const kvs = [...first.kvs];
  let { more } = first;
  while (more) {
    // A key's successor in byte order is the key with a zero byte.
    const page = await client.range({ key: `${kvs.at(-1)?.key ?? prefix}\0`, rangeEnd, limit: PAGE, revision });
    kvs.push(...page.kvs);
    more = page.more;
  }
  return { kvs, revision };
}
