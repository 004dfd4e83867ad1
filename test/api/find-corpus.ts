import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** The folder of wrong resources: upwards, because compiled tests do not stand beside the sources. */
export function findCorpus(from: string): string {
  const candidate = join(from, "test", "fixtures", "wrong-resources");
  if (existsSync(candidate)) return candidate;
  if (dirname(from) === from) throw new Error("Found no test/fixtures/wrong-resources above the tests");
  return findCorpus(dirname(from));
}
