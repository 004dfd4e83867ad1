import { readdirSync, readFileSync } from "node:fs";

/** Sends a signal to a process, or with a negative number to a group; 0 only asks. False when there is none. */
export function sendSignal(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    // EPERM: somebody is there, under another user.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * True while anybody of a process group still runs. In containers whose first process never collects the orphans it is
 * given, ended ones stay in their group for ever; Linux tells those from the living.
 */
export function isGroupAlive(group: number): boolean {
  if (!sendSignal(-group, 0)) return false;
  if (process.platform !== "linux") return true;
  try {
    return readdirSync("/proc").some((name) => /^\d+$/.test(name) && isLivingMember(name, group));
  } catch {
    return true;
  }
}

function isLivingMember(pid: string, group: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // After the name in parentheses: state, parent, group.
    const [state, , memberOf] = stat.slice(stat.lastIndexOf(")") + 2).split(" ", 3);
    return Number(memberOf) === group && state !== "Z" && state !== "X";
  } catch {
    return false;
  }
}
