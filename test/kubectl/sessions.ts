import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../integration/mesh.ts";
import { parseSession } from "./parse-session.ts";
import type { Session } from "./session.ts";

const FOLDER = join(ROOT, "test", "kubectl", "sessions");

/** In the order of their names. Each is for itself: they may run at the same time. */
export function listSessions(): readonly Session[] {
  return readdirSync(FOLDER)
    .sort()
    .map((file) => parseSession(readFileSync(join(FOLDER, file), "utf8"), file));
}
