import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface MadeCertificate {
  readonly certificate: string;
  readonly key: string;
}

export interface CertificateOptions {
  readonly names: readonly string[];
  /** Default 30. */
  readonly days?: number;
  /** Default EC P-256. */
  readonly rsaBits?: number;
}

/** Made by openssl, self-signed, in `folder`. */
export function makeCertificate(folder: string, label: string, options: CertificateOptions): MadeCertificate {
  const [keyPath, certificatePath] = [join(folder, `${label}.key`), join(folder, `${label}.crt`)];
  const key =
    options.rsaBits === undefined
      ? ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
      : ["-newkey", `rsa:${options.rsaBits}`];
  const names = options.names.map((name) => `DNS:${name}`).join(",");
  const parameters = ["req", "-x509", ...key, "-nodes", "-keyout", keyPath, "-out", certificatePath];
  const subject = ["-days", String(options.days ?? 30), "-subj", `/CN=${label}`, "-addext", `subjectAltName=${names}`];
  execFileSync("openssl", [...parameters, ...subject], { stdio: "ignore" });
  return { certificate: readFileSync(certificatePath, "utf8"), key: readFileSync(keyPath, "utf8") };
}
