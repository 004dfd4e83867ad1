import { isIP } from "node:net";
import { type Command, InvalidArgumentError, Option } from "commander";
import { isDnsSubdomain } from "../resources/name-schema.ts";
import { createUsageError } from "./usage-error.ts";

/** How the API is reached from elsewhere, as flags of a command that runs a control plane. */
export interface ApiFlags {
  readonly apiName?: readonly string[];
  readonly apiCertificate?: string;
  readonly apiKey?: string;
}

export function addApiOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--api-name <name>",
        "a DNS name or address by which others reach the API; may be given again (the first is in kubeconfigs)",
      ).argParser(collectName),
    )
    .option("--api-certificate <file>", "your own certificate for the API, a PEM chain (default: the mesh makes one)")
    .option("--api-key <file>", "its key (PEM)");
}

/** Throws a usage error when one of certificate and key is missing. */
export function readApiFlags({ apiCertificate, apiKey, apiName }: ApiFlags): {
  readonly names: readonly string[];
  readonly certificate: { readonly certificateFile: string; readonly keyFile: string } | null;
} {
  const names = apiName ?? [];
  if (apiCertificate === undefined && apiKey === undefined) return { names, certificate: null };
  if (apiCertificate !== undefined && apiKey !== undefined) {
    return { names, certificate: { certificateFile: apiCertificate, keyFile: apiKey } };
  }
  throw createUsageError(
    `Cannot use the API's certificate: found ${apiKey === undefined ? "--api-certificate" : "--api-key"} alone; expected both`,
    "Give --api-certificate and --api-key, or neither: the mesh then makes a certificate of its own",
  );
}

function collectName(text: string, before: readonly string[] | undefined): readonly string[] {
  if (isIP(text) === 0 && !isDnsSubdomain(text)) {
    throw new InvalidArgumentError("Expected a DNS name in lower case, or an IP address.");
  }
  return [...(before ?? []), text];
}
