// hot

/** Writes an HPACK integer (RFC 7541 section 5.1) whose first byte also carries `flags`; returns its end. */
export function writeInteger(value: number, mask: number, flags: number, out: Uint8Array, offset: number): number {
  if (value < mask) {
    out[offset] = flags | value;
    return offset + 1;
  }
  out[offset] = flags | mask;
  let rest = value - mask;
  let at = offset + 1;
  for (; rest >= 0x80; rest >>>= 7) out[at++] = (rest & 0x7f) | 0x80;
  out[at] = rest;
  return at + 1;
}
