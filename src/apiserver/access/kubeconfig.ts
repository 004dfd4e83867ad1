import { stringify } from "yaml";

export interface KubeconfigOptions {
  /** Of the mesh: names the context and the cluster. */
  readonly mesh: string;
  /** Names the user. */
  readonly user: string;
  /** `https://host:port`. kubectl sends no credentials over plain HTTP. */
  readonly server: string;
  /** PEM; null: whom the system trusts. */
  readonly caPem: string | null;
  /** What the server's certificate is for, where that is not the host in `server`. */
  readonly serverName?: string;
  readonly credential: { readonly token: string } | { readonly certificatePem: string; readonly keyPem: string };
  /** Default "default". */
  readonly namespace?: string;
}

/** A kubeconfig with one context. It holds a secret. */
export function formatKubeconfig(options: KubeconfigOptions): string {
  const { caPem, credential, mesh, namespace = "default", server, serverName, user } = options;
  const cluster = {
    server,
    ...(serverName === undefined ? {} : { "tls-server-name": serverName }),
    ...(caPem === null ? {} : { "certificate-authority-data": toBase64(caPem) }),
  };
  const secret =
    "token" in credential
      ? { token: credential.token }
      : {
          "client-certificate-data": toBase64(credential.certificatePem),
          "client-key-data": toBase64(credential.keyPem),
        };
  return stringify(
    {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: mesh, cluster }],
      users: [{ name: `${user}@${mesh}`, user: secret }],
      contexts: [{ name: mesh, context: { cluster: mesh, user: `${user}@${mesh}`, namespace } }],
      "current-context": mesh,
    },
    { lineWidth: 0 },
  );
}

function toBase64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}
