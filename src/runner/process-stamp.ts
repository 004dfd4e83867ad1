import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/**
 * Tells one process from a later one that got the same number: when it was started, in the platform's own words. Null
 * when there is no such process, or nobody to ask.
 */
export function readProcessStamp(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is a name in parentheses that may hold anything; the start time is the 20th after it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? null : (fields[19] ?? null);
  } catch (error) {
    if (process.platform === "linux") return null;
    void error;
  }
  try {
    const printed = execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return printed.trim() === "" ? null : printed.trim();
  } catch {
    return null;
  }
}

/** True for the process that had this number and stamp, false for its successors. */
export function isProcessAlive(pid: number, stamp: string | null): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const found = readProcessStamp(pid);
  // Where neither /proc nor ps can be read there is no stamp to compare; the number alone must do.
  return found === null ? process.platform !== "linux" : stamp === null || found === stamp;
}
