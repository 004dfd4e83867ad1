/** An IPv4 address in its own form, also when the platform shows it as one mapped into IPv6. */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") ? address.slice(7) : address;
}
