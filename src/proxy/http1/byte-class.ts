/** What a byte may be part of: one bit per grammar, one load per byte (RFC 9110 section 5.6.2, RFC 9112, RFC 3986). */
export const BYTE_TOKEN = 1;
/** Field values and reason phrases: visible ASCII, space, tab and obs-text. */
export const BYTE_VALUE = 2;
/** Request target up to `?`: visible ASCII without `?` and `#`. */
export const BYTE_PATH = 4;
/** Query: visible ASCII without `#`. */
export const BYTE_QUERY = 8;
/** Registered names and IPv4 addresses. Sub-delims and percent-encoding are legal in RFC 3986 and refused here. */
export const BYTE_HOST = 16;
export const BYTE_HEX = 32;

export const BYTE_CLASS: Uint8Array = new Uint8Array(256);

for (let byte = 0; byte < 256; byte += 1) {
  const text = String.fromCharCode(byte);
  let bits = 0;
  if (/^[!#$%&'*+\-.^_`|~0-9A-Za-z]$/.test(text)) bits |= BYTE_TOKEN;
  if (byte === 9 || (byte >= 32 && byte !== 127)) bits |= BYTE_VALUE;
  if (byte > 32 && byte < 127 && text !== "#") bits |= text === "?" ? BYTE_QUERY : BYTE_PATH | BYTE_QUERY;
  if (/^[A-Za-z0-9._~-]$/.test(text)) bits |= BYTE_HOST;
  if (/^[0-9A-Fa-f]$/.test(text)) bits |= BYTE_HEX;
  BYTE_CLASS[byte] = bits;
}

/** Value of a hexadecimal digit; 255 for any other byte. */
export const HEX_VALUE: Uint8Array = new Uint8Array(256).fill(255);

for (let value = 0; value < 16; value += 1) {
  const digit = value.toString(16);
  HEX_VALUE[digit.charCodeAt(0)] = value;
  HEX_VALUE[digit.toUpperCase().charCodeAt(0)] = value;
}
