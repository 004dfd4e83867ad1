import { isAbsolute, join, resolve } from "node:path";
import type { StoreSettings } from "../control-bootstrap.ts";
import { WeftError } from "../lib/weft-error.ts";

/** Files of an etcd store, as they are written: relative to the folder of the file or command line that names them. */
export interface StoreFiles {
  readonly ca?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  readonly user?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly secretsKey?: string | undefined;
}

export interface StorePlace {
  /** What relative paths start from; absolute. */
  readonly folder: string;
  /** Where the key of the secrets is unless named; absolute. */
  readonly home: string;
}

const ENDPOINT = /^(\[[0-9a-fA-F:.]+\]|[^/:@\s[\],]+):(\d{1,5})$/;
export const STORE_RULE = "etcd://host:port,host:port (etcds:// with TLS), or lmdb:PATH";

/** Whether `parseStore` takes it. */
export function isStore(text: string): boolean {
  return readStore(text) !== null;
}

/** `etcd://h1:2379,h2:2379`, `etcds://…` for members with TLS, `lmdb:PATH`. Throws WEFT_STORE_INVALID. */
export function parseStore(text: string, files: StoreFiles, { folder, home }: StorePlace): StoreSettings {
  const store = readStore(text);
  if (store === null) {
    throw new WeftError("WEFT_STORE_INVALID", `Cannot use the store "${hidePassword(text)}": expected ${STORE_RULE}`, {
      hint: "A user of etcd is named apart, and its password is in a file",
    });
  }
  if (store.kind === "lmdb") {
    const unused = Object.entries(files).find(([, value]) => value !== undefined);
    if (unused === undefined) return { kind: "lmdb", path: resolve(folder, store.path) };
    throw new WeftError(
      "WEFT_STORE_INVALID",
      `Cannot use an LMDB store with ${unused[0]}: expected that of etcd alone`,
    );
  }
  const at = (path: string | undefined): string | null => (path === undefined ? null : absolute(path, folder));
  return {
    kind: "etcd",
    endpoints: store.endpoints,
    caFile: at(files.ca),
    certificateFile: at(files.certificate),
    keyFile: at(files.key),
    user: files.user ?? null,
    passwordFile: at(files.passwordFile),
    secretsKeyFile: at(files.secretsKey) ?? formatSecretsKeyPath(home),
  };
}

/** Made there when no other file is named. */
export function formatSecretsKeyPath(home: string): string {
  return join(home, "secrets.key");
}

type Store =
  | { readonly kind: "lmdb"; readonly path: string }
  | { readonly kind: "etcd"; readonly endpoints: readonly string[] };

function readStore(text: string): Store | null {
  if (text.startsWith("lmdb:") && text.length > "lmdb:".length)
    return { kind: "lmdb", path: text.slice("lmdb:".length) };
  const [, scheme, list = ""] = /^(etcds?):\/\/(.+?)\/?$/.exec(text) ?? [];
  if (scheme === undefined) return null;
  const members = list.split(",");
  if (!members.every((member) => ENDPOINT.test(member))) return null;
  return { kind: "etcd", endpoints: members.map((member) => `${scheme === "etcds" ? "https" : "http"}://${member}`) };
}

function absolute(path: string, folder: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}

/** Somebody may have written one where it does not belong. */
function hidePassword(text: string): string {
  return text.replace(/\/\/[^/@]*@/, "//…@");
}
