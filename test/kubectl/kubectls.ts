import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { findProgram, TOOLS } from "../integration/needs.ts";

export interface Kubectl {
  readonly path: string;
  /** E.g. "v1.32.4". */
  readonly version: string;
  /** 32 of it. */
  readonly minor: number;
}

/** Those that `.ci/run` put into .build/tools, else the one that a user would call; empty with the reason when there is none. */
export function findKubectls(): { readonly kubectls: readonly Kubectl[]; readonly skip: false | string } {
  const names = existsSync(TOOLS) ? readdirSync(TOOLS).filter((name) => name.startsWith("kubectl-")) : [];
  if (names.length > 0) return { kubectls: names.sort().map((name) => readKubectl(join(TOOLS, name))), skip: false };
  const { path, skip } = findProgram("kubectl");
  return { kubectls: skip === false ? [readKubectl(path)] : [], skip };
}

export function readKubectl(path: string): Kubectl {
  const text = execFileSync(path, ["version", "--client", "-o", "json"], { encoding: "utf8" });
  const { clientVersion } = JSON.parse(text) as {
    readonly clientVersion: { readonly minor: string; readonly gitVersion: string };
  };
  return { path: resolve(path), version: clientVersion.gitVersion, minor: Number.parseInt(clientVersion.minor, 10) };
}
