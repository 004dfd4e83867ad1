const SLASH = 0x2f;

/** Minor version of `HTTP/1.x` at `at`, 2 for another well-formed version, -1 for anything else. Eight bytes are there. */
export function versionAt(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== 0x48 || bytes[at + 1] !== 0x54 || bytes[at + 2] !== 0x54 || bytes[at + 3] !== 0x50) return -1;
  if (bytes[at + 4] !== SLASH || bytes[at + 6] !== 0x2e) return -1;
  const major = (bytes[at + 5] as number) - 0x30;
  const minor = (bytes[at + 7] as number) - 0x30;
  if (major < 0 || major > 9 || minor < 0 || minor > 9) return -1;
  return major === 1 && minor <= 1 ? minor : 2;
}
