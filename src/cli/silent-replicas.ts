import type { ApiClient } from "../apiserver/api-client.ts";
import type { CliContext } from "./context.ts";
import { paint } from "./output/style.ts";

/** Says on standard error which control planes did not answer the one that was asked: what they know is missing. */
export async function writeSilentReplicas(
  { stderr }: Pick<CliContext, "stderr">,
  client: Pick<ApiClient, "replicas">,
  what: string,
): Promise<void> {
  const replicas = await client.replicas();
  const silent = replicas.filter((replica) => !replica.answers).map((replica) => replica.name);
  if (silent.length === 0) return;
  const text = `${silent.length} of ${replicas.length} control planes did not answer, their ${what} are missing: ${silent.join(", ")}`;
  stderr.write(`${paint(stderr, "yellow", text)}\n`);
}
