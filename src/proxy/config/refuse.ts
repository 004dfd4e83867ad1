/**
 * Configuration that the proxy does not carry out is refused, never skipped: a policy of which half is ignored is another
 * policy (the class of CVE-2022-21679). The message is what the control plane shows as the reason of a rejection.
 */
export class ConfigRefusal extends Error {
  constructor(path: string, found: string, expected: string) {
    super(`${path === "" ? "" : `${path}: `}found ${found}; expected ${expected}`);
    this.name = "ConfigRefusal";
  }
}

/**
 * Refuses a decoded message that sets a field outside `known`, or a field that the definition itself does not have.
 * Fields at their protobuf default count as not set.
 */
export function refuseUnknownFields(message: object, known: readonly string[], path: string): void {
  for (const [field, value] of Object.entries(message)) {
    if (known.includes(field) || isUnset(value)) continue;
    const name = field === "$unknowns" ? "a field newer than this proxy" : `field "${field}"`;
    throw new ConfigRefusal(path, name, `only ${known.join(", ")}`);
  }
}

function isUnset(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === 0 || value === "") return true;
  // Bytes are a message that the proxy does not read: that it is there says something, even when it is empty.
  if (value instanceof Uint8Array) return false;
  if (Array.isArray(value)) return value.length === 0;
  return (
    typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype && Object.keys(value).length === 0
  );
}
