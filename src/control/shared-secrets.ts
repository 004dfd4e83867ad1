/**
 * What the control planes of one mesh share beside resources: the root with its key, and join credentials. Kept beside the
 * resources and never among them: nothing here is served by the API, exported or logged.
 */
export interface SharedSecrets {
  /** Null when there is none. Linearizable: sees every put that was acknowledged before to anybody. */
  get(name: SecretName): Promise<string | null>;
  /**
   * True when `value` stands under the name now, false when another one did already. Of several calls with one name, in
   * one process or in several, exactly one gives true. Durable before it resolves; also when the first answer was lost.
   */
  putIfAbsent(name: SecretName, value: string, options?: PutSecretOptions): Promise<boolean>;
  /**
   * Compare and swap: true when `value` stands under the name now in place of `expected`, false when something else than
   * `expected` did. Durable before it resolves; also when the first answer was lost. For secrets that are kept for good.
   */
  replace(name: SecretName, expected: string, value: string): Promise<boolean>;
  /** Where a secret is, for messages to operators; never the secret itself. */
  describe(name: SecretName): string;
}

/** One or two parts of a-z, 0-9, `.`, `-` and `_`, with a `/` between them: `ca/root.pem`. */
export type SecretName = `${string}/${string}`;

export interface PutSecretOptions {
  /** It may be forgotten this long after it was put, and is soon after; default never. */
  readonly forgetAfterMs?: number;
}

/** The mesh's roots, PEM: the private key that signs and its certificate, then further roots that are believed. */
export const ROOT_SECRET: SecretName = "ca/root.pem";
