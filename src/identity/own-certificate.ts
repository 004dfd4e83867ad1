import { generateKeyPairSync, sign } from "node:crypto";
import type { Random } from "../random/random.ts";
import { formatWallTime } from "../time/wall-time.ts";
import { ECDSA_WITH_SHA256, encodeDer } from "./csr.ts";

/** A key and a certificate that leads to nobody: for names that no other certificate is for. */
export interface OwnCertificate {
  readonly keyPem: string;
  readonly certificateChainPem: string;
}

const YEAR_MS = 365 * 24 * 3_600_000;
/** Clocks of clients may be behind. */
const BACKDATED_MS = 24 * 3_600_000;
const NAME = "weft ingress, no certificate for this name";

const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT_IDENTIFIER = 0x06;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const SEQUENCE = 0x30;
const SET = 0x31;
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;
const DNS_NAME = 0x82;

/** 2.5.4.3, 2.5.29.17 and 2.5.29.37 (RFC 5280), and 1.3.6.1.5.5.7.3.1. */
const COMMON_NAME = Buffer.from("550403", "hex");
const SUBJECT_ALT_NAME = Buffer.from("551d11", "hex");
const EXTENDED_KEY_USAGE = Buffer.from("551d25", "hex");
const SERVER_AUTH = Buffer.from("2b06010505070301", "hex");

/**
 * A self-signed certificate (RFC 5280 section 4.1) with a new P-256 key, valid for a year, for the name
 * `ingress.weft.invalid`, which no client asks for: a client that checks certificates refuses it, and one that is told not to
 * can talk to the gateway.
 */
export function createOwnCertificate(wallMs: number, random: Random): OwnCertificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = encodeDer(SEQUENCE, encodeDer(OBJECT_IDENTIFIER, ECDSA_WITH_SHA256));
  const attribute = encodeDer(
    SEQUENCE,
    encodeDer(OBJECT_IDENTIFIER, COMMON_NAME),
    encodeDer(UTF8_STRING, Buffer.from(NAME)),
  );
  const name = encodeDer(SEQUENCE, encodeDer(SET, attribute));
  const serial = Buffer.from(random.bytes(16));
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const unsigned = encodeDer(
    SEQUENCE,
    encodeDer(VERSION, encodeDer(INTEGER, Buffer.of(2))),
    encodeDer(INTEGER, serial),
    algorithm,
    name,
    encodeDer(SEQUENCE, encodeTime(wallMs - BACKDATED_MS), encodeTime(wallMs + YEAR_MS)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    encodeDer(
      EXTENSIONS,
      encodeDer(
        SEQUENCE,
        encodeExtension(SUBJECT_ALT_NAME, encodeDer(DNS_NAME, Buffer.from("ingress.weft.invalid"))),
        encodeExtension(EXTENDED_KEY_USAGE, encodeDer(OBJECT_IDENTIFIER, SERVER_AUTH)),
      ),
    ),
  );
  const signature = encodeDer(BIT_STRING, Buffer.of(0), sign("sha256", unsigned, privateKey));
  const certificate = encodeDer(SEQUENCE, unsigned, algorithm, signature).toString("base64");
  const lines = certificate.match(/.{1,64}/g) ?? [];
  return {
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    certificateChainPem: `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`,
  };
}

function encodeExtension(identifier: Uint8Array, value: Uint8Array): Uint8Array {
  return encodeDer(
    SEQUENCE,
    encodeDer(OBJECT_IDENTIFIER, identifier),
    encodeDer(OCTET_STRING, encodeDer(SEQUENCE, value)),
  );
}

/** YYMMDDHHMMSSZ, which RFC 5280 wants up to 2049. */
function encodeTime(wallMs: number): Uint8Array {
  const digits = formatWallTime(wallMs).replaceAll(/[-:T]/g, "").slice(2, 14);
  return encodeDer(UTC_TIME, Buffer.from(`${digits}Z`));
}
