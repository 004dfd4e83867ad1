import type { X509Certificate } from "node:crypto";
import { formatWallTime, parseWallTime } from "../../time/wall-time.ts";

/** What stands between weft and a member, in words for its operator. Never holds a key. */
export interface ConnectionFault {
  readonly text: string;
  readonly hint: string;
}

export interface TlsScene {
  /** Node's: of the verification of the member's certificate, or of an error of the connection. */
  readonly code: string;
  /** By which the member was called. */
  readonly host: string;
  /** The member's certificate, as far as it came. */
  readonly member: X509Certificate | null;
  /** weft's own; null = it has none. */
  readonly own: X509Certificate | null;
  /** Who may have signed the member's; null = the roots of the system. */
  readonly authorities: readonly X509Certificate[] | null;
  readonly wallMs: number;
}

const UNKNOWN_AUTHORITY: ReadonlySet<string> = new Set([
  "CERT_SIGNATURE_FAILURE",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "INVALID_CA",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);
const OUT_OF_TIME: ReadonlySet<string> = new Set(["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"]);
/** What Go and others say about a client's certificate (RFC 8446, 6.2); OpenSSL's names of them differ by version. */
const CLIENT_REFUSED =
  /ALERT_(BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_(REVOKED|EXPIRED|UNKNOWN|REQUIRED)|UNKNOWN_CA|ACCESS_DENIED)$/;
/** Of a connection that ended, or brought other bytes, before TLS was agreed. */
const NO_TLS: ReadonlySet<string> = new Set(["ECONNRESET", "ERR_SSL_WRONG_VERSION_NUMBER", "EPROTO"]);

const SCHEMES =
  "Members without TLS are named with etcd:// (http:// in weft store), those with it with etcds:// (https://)";
/** Of a connection in the clear. */
export const MAYBE_TLS: ConnectionFault = {
  text: "found the connection ended before HTTP/2 was agreed; expected a member without TLS",
  hint: SCHEMES,
};

/** Null for what does not concern TLS. */
export function describeTlsFault(scene: TlsScene): ConnectionFault | null {
  const { authorities, code, host, member, own, wallMs } = scene;
  if (UNKNOWN_AUTHORITY.has(code)) {
    const expected = authorities === null ? "a root of the system" : authorities.map(nameOf).join(" or ");
    return {
      text: `found its certificate, of ${nameOf(member)}, signed by ${issuerOf(member)}, which cannot be verified; expected one signed by ${expected}`,
      hint: "Name who signed the members' certificates: --etcd-ca, or the store's ca in weft.yaml",
    };
  }
  if (OUT_OF_TIME.has(code)) {
    const found = describeTime(member, wallMs) ?? "with one that signed it out of its time";
    return {
      text: `found its certificate, of ${nameOf(member)}, ${found}; expected one that is valid`,
      hint: "Renew the members' certificates, or set this machine's clock",
    };
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return {
      text: `found its certificate to be for ${member?.subjectAltName ?? "no name"}; expected one for ${host}`,
      hint: "Name the members as their certificates do, or give them certificates for the names that they are called by",
    };
  }
  if (CLIENT_REFUSED.test(code)) {
    return {
      text: `found that it refuses ${describeOwn(own, wallMs)}; expected to be let in`,
      hint: "Name a client's certificate that its --trusted-ca-file has signed, and its key: --etcd-cert and --etcd-key, or the store's certificate and key in weft.yaml",
    };
  }
  if (member === null && NO_TLS.has(code)) {
    return {
      text: "found the connection ended before TLS was agreed; expected a member with TLS",
      hint: SCHEMES,
    };
  }
  if (code.startsWith("ERR_SSL_")) {
    return { text: `found TLS broken off with ${code}; expected it to be agreed`, hint: "The member's log says why" };
  }
  return null;
}

function describeOwn(own: X509Certificate | null, wallMs: number): string {
  if (own === null) return "weft, which shows no client's certificate";
  const signed = `weft's certificate, of ${nameOf(own)}, signed by ${issuerOf(own)}`;
  const time = describeTime(own, wallMs);
  return time === null ? signed : `${signed}, ${time}`;
}

/** Null when it is in its time. */
export function describeTime(certificate: X509Certificate | null, wallMs: number): string | null {
  if (certificate === null) return null;
  const [fromMs, untilMs] = [parseWallTime(certificate.validFrom), parseWallTime(certificate.validTo)];
  if (wallMs > untilMs) return `expired since ${formatWallTime(untilMs)}`;
  if (wallMs < fromMs) return `not valid before ${formatWallTime(fromMs)}`;
  return null;
}

/** As messages name it. */
export function nameOf(certificate: X509Certificate | null): string {
  return formatName(certificate?.subject);
}

function issuerOf(certificate: X509Certificate | null): string {
  return formatName(certificate?.issuer);
}

/** Node puts each part on a line of its own. */
function formatName(name: string | undefined): string {
  return `"${name === undefined || name === "" ? "nobody" : name.replaceAll("\n", ", ")}"`;
}
