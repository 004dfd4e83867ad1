import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PeerSide } from "../identity/peer-judge.ts";
import type { PeerRefusal } from "../identity/peer-refusal.ts";
import type { KeyPair } from "../transport/transport.ts";

/** A certificate that has one thing wrong with it, and the code under which it must be refused. */
export interface WrongCertificate {
  readonly what: string;
  readonly refusal: PeerRefusal;
  /** Wrong only for a peer on this side of the connection; null = on both. */
  readonly side: PeerSide | null;
  /** False: TLS 1.3 knows no signature with such a key (RFC 8446, 4.2.3), so a handshake cannot come so far. */
  readonly isUsable: boolean;
  readonly certificate: CertificateFiles;
}

/** A key pair and where it lies, for programs that read files. */
export interface CertificateFiles {
  readonly keyPair: KeyPair;
  readonly keyFile: string;
  readonly certificateFile: string;
  /** What is sent beside the certificate; null = nothing. */
  readonly chainFile: string | null;
}

export interface CertificateCollection {
  readonly trustDomain: string;
  readonly trustBundlePem: string;
  /** All that should pass: the mesh's own form, and other keys, chains and hashes that are as good. */
  readonly good: readonly { readonly what: string; readonly certificate: CertificateFiles }[];
  readonly wrong: readonly WrongCertificate[];
  /** Removes the files. */
  close(): void;
}

const DOMAIN = "shop.mesh";
const ID = `spiffe://${DOMAIN}/ns/default/sa/web`;
const CA = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign";
const P256 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const FROM = "20200101000000Z";
const UNTIL = "21000101000000Z";

interface LeafChange {
  readonly issuer?: string;
  /** Beside the issuer, for the chain that is sent. */
  readonly intermediates?: readonly string[];
  readonly key?: readonly string[];
  readonly hash?: string;
  readonly from?: string;
  readonly until?: string;
  readonly san?: string | null;
  readonly basic?: string;
  readonly usage?: string | null;
  readonly extended?: string | null;
}

/** Made by the openssl command, which signs what no library of ours would. Takes about 2 s. */
export function createWrongCertificates(): CertificateCollection {
  const maker = new Maker();
  maker.root("root", { subject: "/CN=root", extensions: CA });
  maker.root("stranger", { subject: "/CN=root", extensions: CA });
  maker.leaf("middle", { ca: CA.replace("CA:TRUE", "CA:TRUE,pathlen:0"), issuer: "root" });
  maker.leaf("below", { ca: CA, issuer: "middle" });
  maker.leaf("weak", { ca: CA, issuer: "root", key: rsa(1024) });
  maker.leaf("old", { ca: CA, issuer: "root", until: "20210101000000Z" });
  const good: readonly [string, LeafChange][] = [
    ["of an intermediate", { issuer: "middle", intermediates: ["middle"] }],
    ["with RSA of 2048 bits", { key: rsa(2048) }],
    ["with P-384 and SHA-384", { key: ec("P-384"), hash: "sha384" }],
    ["with Ed25519", { key: ["-algorithm", "ED25519"] }],
    ["without purposes", { extended: null }],
    ["with a DNS name beside the SPIFFE ID", { san: `URI:${ID},DNS:web.example` }],
  ];
  const wrong: readonly [string, PeerRefusal, LeafChange, PeerSide?][] = [
    ["of another authority of the same name", "peer_unknown_root", { issuer: "stranger" }],
    ["of an intermediate that is not sent", "peer_unknown_root", { issuer: "middle" }],
    ["of another trust domain", "peer_foreign_domain", { san: "URI:spiffe://bank.mesh/ns/default/sa/web" }],
    ["without names", "peer_no_spiffe_id", { san: null }],
    ["with a DNS name only", "peer_no_spiffe_id", { san: "DNS:web.example" }],
    ["with two SPIFFE IDs", "peer_no_spiffe_id", { san: `URI:${ID},URI:spiffe://${DOMAIN}/ns/default/sa/api` }],
    ["with a malformed SPIFFE ID", "peer_no_spiffe_id", { san: "URI:spiffe://SHOP.mesh/ns/default/sa/web" }],
    ["that has expired", "peer_expired", { until: "20210101000000Z" }],
    ["of an intermediate that has expired", "peer_expired", { issuer: "old", intermediates: ["old"] }],
    ["that is not yet valid", "peer_not_yet_valid", { from: "20900101000000Z" }],
    ["that is its own issuer", "peer_self_signed", { issuer: "self" }],
    ["of an authority", "peer_is_authority", { basic: "CA:TRUE", usage: "keyCertSign,digitalSignature" }],
    ["too far below its root", "peer_path_length", { issuer: "below", intermediates: ["below", "middle"] }],
    ["with RSA of 1024 bits", "peer_weak_key", { key: rsa(1024) }],
    ["with P-192", "peer_weak_key", { key: ec("P-192") }],
    ["with secp256k1", "peer_weak_key", { key: ec("secp256k1") }],
    ["of an intermediate with RSA of 1024 bits", "peer_weak_key", { issuer: "weak", intermediates: ["weak"] }],
    ["signed with SHA-1", "peer_weak_signature", { hash: "sha1" }],
    ["without digitalSignature", "peer_wrong_usage", { usage: "keyAgreement" }],
    ["without key usage", "peer_wrong_usage", { usage: null }],
    ["that may sign certificates", "peer_wrong_usage", { usage: "digitalSignature,keyCertSign" }],
    ["that may sign revocation lists", "peer_wrong_usage", { usage: "digitalSignature,cRLSign" }],
    ["for signing code only", "peer_wrong_usage", { extended: "codeSigning" }],
    ["for servers only", "peer_wrong_usage", { extended: "serverAuth" }, "client"],
    ["for clients only", "peer_wrong_usage", { extended: "clientAuth" }, "server"],
  ];
  return {
    trustDomain: DOMAIN,
    trustBundlePem: maker.read("root.pem"),
    good: good.map(([what, change]) => ({ what, certificate: maker.pair(change) })),
    wrong: wrong.map(([what, refusal, change, side]) => {
      const isUsable = !/P-192|secp256k1/.test(what);
      return { what, refusal, side: side ?? null, isUsable, certificate: maker.pair(change) };
    }),
    close: () => maker.close(),
  };
}

class Maker {
  readonly #folder: string = mkdtempSync(join(tmpdir(), "weft-certificates-"));
  readonly #leafKeys: Map<string, string> = new Map();
  #count: number = 0;

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  read(name: string): string {
    return readFileSync(join(this.#folder, name), "utf8");
  }

  root(name: string, { subject, extensions }: { readonly subject: string; readonly extensions: string }): void {
    this.#key(name, P256);
    this.#sign(name, { subject, extensions, issuer: name, hash: "sha256", from: FROM, until: UNTIL });
  }

  leaf(name: string, change: LeafChange & { readonly ca: string }): void {
    this.#key(name, change.key ?? P256);
    this.#sign(name, {
      subject: `/CN=${name}`,
      extensions: change.ca,
      issuer: change.issuer ?? "root",
      hash: "sha256",
      from: FROM,
      until: change.until ?? UNTIL,
    });
  }

  pair(change: LeafChange): CertificateFiles {
    this.#count += 1;
    const name = `leaf${this.#count}`;
    this.#keyOfLeaf(name, change.key ?? P256);
    const usage = change.usage === undefined ? "digitalSignature" : change.usage;
    const extended = change.extended === undefined ? "serverAuth,clientAuth" : change.extended;
    const san = change.san === undefined ? `URI:${ID}` : change.san;
    const lines = [
      `basicConstraints=critical,${change.basic ?? "CA:FALSE"}`,
      ...(usage === null ? [] : [`keyUsage=critical,${usage}`]),
      ...(extended === null ? [] : [`extendedKeyUsage=${extended}`]),
      ...(san === null ? [] : [`subjectAltName=${san}`]),
    ];
    this.#sign(name, {
      subject: "/CN=web-0",
      extensions: lines.join("\n"),
      issuer: change.issuer === "self" ? name : (change.issuer ?? "root"),
      hash: change.hash ?? "sha256",
      from: change.from ?? FROM,
      until: change.until ?? UNTIL,
    });
    const intermediates = (change.intermediates ?? []).map((part) => this.read(`${part}.pem`)).join("");
    const chainFile = intermediates === "" ? null : join(this.#folder, `${name}.chain`);
    if (chainFile !== null) writeFileSync(chainFile, intermediates);
    return {
      keyPair: { keyPem: this.read(`${name}.key`), certificateChainPem: this.read(`${name}.pem`) + intermediates },
      keyFile: join(this.#folder, `${name}.key`),
      certificateFile: join(this.#folder, `${name}.pem`),
      chainFile,
    };
  }

  /** One key of a kind is enough for all leaves. */
  #keyOfLeaf(name: string, algorithm: readonly string[]): void {
    const file = this.#leafKeys.get(algorithm.join());
    if (file === undefined) {
      this.#key(name, algorithm);
      this.#leafKeys.set(algorithm.join(), `${name}.key`);
    } else copyFileSync(join(this.#folder, file), join(this.#folder, `${name}.key`));
  }

  #key(name: string, algorithm: readonly string[]): void {
    this.#run(["genpkey", ...algorithm, "-out", `${name}.key`]);
  }

  /** By `openssl ca`, the one command of OpenSSL 3.0 that takes both ends of the validity. */
  #sign(name: string, how: Signing): void {
    const config = [
      "[ca]\ndefault_ca=here",
      `[here]\ndatabase=${name}.db\nserial=${name}.srl\nnew_certs_dir=.\ndefault_md=${how.hash}\npolicy=any\nunique_subject=no`,
      "[any]\ncommonName=supplied",
      "[req]\ndistinguished_name=name\n[name]",
      `[extensions]\n${how.extensions}\n`,
    ].join("\n");
    writeFileSync(join(this.#folder, `${name}.cnf`), config);
    writeFileSync(join(this.#folder, `${name}.db`), "");
    writeFileSync(join(this.#folder, `${name}.srl`), `${(0x1000 + this.#count).toString(16)}\n`);
    this.#run([
      "req",
      "-new",
      "-config",
      `${name}.cnf`,
      "-key",
      `${name}.key`,
      "-subj",
      how.subject,
      "-out",
      `${name}.csr`,
    ]);
    const issuer = how.issuer === name ? ["-selfsign"] : ["-cert", `${how.issuer}.pem`];
    this.#run([
      ...["ca", "-batch", "-notext", "-config", `${name}.cnf`, "-extensions", "extensions"],
      ...["-startdate", how.from, "-enddate", how.until, "-keyfile", `${how.issuer}.key`, ...issuer],
      ...["-in", `${name}.csr`, "-out", `${name}.pem`],
    ]);
  }

  #run(args: readonly string[]): void {
    execFileSync("openssl", [...args], { cwd: this.#folder, stdio: "pipe" });
  }
}

interface Signing {
  readonly subject: string;
  readonly extensions: string;
  readonly issuer: string;
  readonly hash: string;
  readonly from: string;
  readonly until: string;
}

function rsa(bits: number): string[] {
  return ["-algorithm", "RSA", "-pkeyopt", `rsa_keygen_bits:${bits}`];
}

function ec(curve: string): string[] {
  return ["-algorithm", "EC", "-pkeyopt", `ec_paramgen_curve:${curve}`, "-pkeyopt", "ec_param_enc:named_curve"];
}
