import { resolve } from "node:path";
import type { ApiCertificateFiles } from "../control-bootstrap.ts";

/** Paths as somebody wrote them: the control plane's own working folder is another. */
export function resolveCertificate(cwd: string, files: ApiCertificateFiles | null): ApiCertificateFiles | null {
  if (files === null) return null;
  return { certificateFile: resolve(cwd, files.certificateFile), keyFile: resolve(cwd, files.keyFile) };
}
