import { isIP } from "node:net";

/** Whether what listens there can be reached from this machine alone. */
export function isLoopbackAddress(address: string): boolean {
  if (address === "localhost" || address === "::1") return true;
  return isIP(address) === 4 && address.startsWith("127.");
}
