import { createCipheriv, createDecipheriv } from "node:crypto";
import { readPrivateFile, writePrivateFile } from "../../lib/private-files.ts";
import { WeftError } from "../../lib/weft-error.ts";
import type { Random } from "../../random/random.ts";

const KEY_BYTES = 32;
/** What NIST SP 800-38D recommends for GCM; random, which is safe for far more secrets than a mesh ever has. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const VERSION = "1.";

/**
 * Seals secrets with AES-256-GCM before they leave this process. The secret's name is authenticated with it, so that
 * whoever can write where sealed secrets are kept cannot put one in the place of another.
 */
export class SealingKey {
  readonly #key: Uint8Array;
  readonly #random: Random;

  /** `key` has 32 bytes. */
  constructor(key: Uint8Array, random: Random) {
    this.#key = key;
    this.#random = random;
  }

  /** Different for each call, also for equal secrets. */
  seal(name: string, secret: string): string {
    const nonce = this.#random.bytes(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(name));
    const text = Buffer.concat([cipher.update(secret, "utf8"), cipher.final()]);
    return VERSION + Buffer.concat([nonce, cipher.getAuthTag(), text]).toString("base64url");
  }

  /** Null when it was sealed with another key, for another name, or was changed. */
  open(name: string, sealed: string): string | null {
    if (!sealed.startsWith(VERSION)) return null;
    const bytes = Buffer.from(sealed.slice(VERSION.length), "base64url");
    if (bytes.length < NONCE_BYTES + TAG_BYTES) return null;
    const options = { authTagLength: TAG_BYTES };
    const decipher = createDecipheriv("aes-256-gcm", this.#key, bytes.subarray(0, NONCE_BYTES), options);
    decipher.setAAD(Buffer.from(name));
    decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    try {
      return decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES), undefined, "utf8") + decipher.final("utf8");
    } catch {
      return null;
    }
  }
}

/** Makes a key file unless there is one. Rejects with WEFT_STATE_…. */
export async function ensureSealingKey(path: string, random: Random): Promise<void> {
  if (readPrivateFile(path) !== null) return;
  await writePrivateFile(path, `${Buffer.from(random.bytes(KEY_BYTES)).toString("base64")}\n`);
}

/** Reads a key file: 32 bytes in base64, private to this user. Throws WEFT_SECRETS_KEY or WEFT_STATE_…. */
export function readSealingKey(path: string, random: Random): SealingKey {
  const text = readPrivateFile(path);
  const key = Buffer.from((text ?? "").trim(), "base64");
  if (key.length === KEY_BYTES) return new SealingKey(key, random);
  throw new WeftError(
    "WEFT_SECRETS_KEY",
    `Cannot read the key of the mesh's secrets from "${path}": found ${text === null ? "no file" : `${key.length} bytes`}; expected ${KEY_BYTES} bytes in base64`,
    {
      hint: `Make one and give it to every control plane of the mesh: (umask 077; openssl rand -base64 32 > "${path}")`,
    },
  );
}
