// `weft control-plane` as a process on an etcd with TLS: what lets it in, and what it says when that is wrong.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { createApiClient } from "../../src/apiserver/api-client.ts";
import { readApiAccess } from "../../src/apiserver/api-access.ts";
import { EtcdCertificates, startSecureEtcd } from "./etcd-certificates.ts";
import { ETCD, EtcdCluster } from "./etcd-cluster.ts";
import { findProgram } from "./needs.ts";
import { Program } from "./program.ts";

interface Member {
  readonly cluster: EtcdCluster;
  readonly endpoint: string;
}

interface Row {
  readonly what: string;
  /** Default "server". */
  readonly member?: "server" | "elsewhere" | "expired" | "plain";
  readonly scheme?: "etcd";
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
  readonly more?: readonly string[];
  readonly code: string;
  readonly says: RegExp;
  readonly hint: RegExp;
}

const ETCDCTL = findProgram("etcdctl");
const skip = [ETCD, ETCDCTL].find((program) => program.skip !== false)?.skip ?? false;
/** 2021-01-01: over when the test runs. */
const OVER_WALL_MS = 1_609_459_200_000;
const PASSWORDS = ["the-right-one-4711", "the-wrong-one-4712"] as const;

const ROWS: readonly Row[] = [
  {
    what: "a wrong authority",
    ca: "other",
    code: "WEFT_STORE_UNREACHABLE",
    says: /found its certificate, of "CN=server", signed by "CN=ca test root", which cannot be verified; expected one signed by "CN=other test root"/,
    hint: /--etcd-ca, or the store's ca in weft\.yaml/,
  },
  {
    what: "no authority",
    ca: "",
    code: "WEFT_STORE_UNREACHABLE",
    says: /signed by "CN=ca test root", which cannot be verified; expected one signed by a root of the system/,
    hint: /--etcd-ca/,
  },
  {
    what: "a member whose certificate is for another address",
    member: "elsewhere",
    code: "WEFT_STORE_UNREACHABLE",
    says: /found its certificate to be for IP Address:127\.0\.0\.2; expected one for 127\.0\.0\.1/,
    hint: /Name the members as their certificates do/,
  },
  {
    what: "a member whose certificate has expired",
    member: "expired",
    code: "WEFT_STORE_UNREACHABLE",
    says: /found its certificate, of "CN=expired", expired since 2021-01-01T00:00:00\.000Z; expected one that is valid/,
    hint: /Renew the members' certificates/,
  },
  {
    what: "a client's certificate that has expired",
    certificate: "late",
    code: "WEFT_STORE_INVALID",
    says: /found the client's certificate "CN=late" expired since 2021-01-01T00:00:00\.000Z; expected one that is valid/,
    hint: /--etcd-cert and --etcd-key, or .* certificate and key in weft\.yaml/,
  },
  {
    what: "no client's certificate",
    certificate: "",
    code: "WEFT_STORE_UNREACHABLE",
    says: /found that it refuses weft, which shows no client's certificate; expected to be let in/,
    hint: /--etcd-cert and --etcd-key/,
  },
  {
    what: "a client's certificate of another authority",
    certificate: "stranger",
    code: "WEFT_STORE_UNREACHABLE",
    says: /found that it refuses weft's certificate, of "CN=stranger", signed by "CN=other test root"; expected to be let in/,
    hint: /--etcd-cert and --etcd-key/,
  },
  {
    what: "a client's certificate without its key",
    key: "",
    code: "WEFT_STORE_INVALID",
    says: /found a certificate without its key, or a key without its certificate; expected both or neither/,
    hint: /--etcd-key/,
  },
  {
    what: "a key of another certificate",
    key: "late.key",
    code: "WEFT_STORE_INVALID",
    says: /found another key than that of the client's certificate "CN=client"; expected its own/,
    hint: /--etcd-key/,
  },
  {
    what: "a key where the authority should be",
    ca: "client.key",
    code: "WEFT_STORE_INVALID",
    says: /found no certificate where the authority's certificate should be; expected one or more in PEM/,
    hint: /--etcd-ca/,
  },
  {
    what: "a key that others may read",
    key: "open.key",
    code: "WEFT_STATE_PERMISSIONS",
    says: /open\.key" for secrets: found mode 0644; expected 0600/,
    hint: /chmod 0600/,
  },
  {
    what: "a member without TLS",
    member: "plain",
    code: "WEFT_STORE_UNREACHABLE",
    says: /found the connection ended before TLS was agreed; expected a member with TLS/,
    hint: /named with etcd:\/\//,
  },
  {
    what: "a member with TLS that is named as one without",
    scheme: "etcd",
    ca: "",
    certificate: "",
    code: "WEFT_STORE_UNREACHABLE",
    says: /found the connection ended before HTTP\/2 was agreed; expected a member without TLS/,
    hint: /etcds:\/\//,
  },
];

let certificates: EtcdCertificates;
const members = new Map<string, Member>();
let homes = 0;

before(async () => {
  if (skip !== false) return;
  certificates = await EtcdCertificates.create();
  await certificates.issue("server");
  await certificates.issue("elsewhere", { address: "127.0.0.2" });
  await certificates.issue("expired", { untilWallMs: OVER_WALL_MS });
  await certificates.issue("client");
  await certificates.issue("stranger", { by: "other" });
  await certificates.issue("late", { untilWallMs: OVER_WALL_MS });
  certificates.write("secrets.key", randomBytes(32).toString("base64"));
  certificates.write("open.key", certificates.read("client.key"), 0o644);
  for (const name of ["server", "elsewhere", "expired"]) {
    members.set(name, await startSecureEtcd(certificates, name));
  }
  const plain = await EtcdCluster.start();
  members.set("plain", { cluster: plain, endpoint: plain.endpoints()[0] ?? "" });
});

after(async () => {
  if (skip !== false) return;
  for (const { cluster } of members.values()) await cluster.stop();
  certificates.remove();
});

test("a control plane with the right authority and certificate serves from an etcd with TLS", { skip }, async () => {
  const first = start(argumentsOf({}));
  try {
    await first.line(/is ready$/);
    const { endpoints, token } = readApiAccess(first.home);
    const api = createApiClient({ baseUrl: endpoints.api, token });
    await api.apply({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "kept", namespace: "default" },
      spec: { ports: [{ port: 80 }] },
    });
    assert.match(await etcdctl("get", "--prefix", "--keys-only", "/weft/shop/resources/"), /Service\/default\/kept/);
    api.close();
  } finally {
    assert.equal(await first.stop("SIGTERM"), 0, first.lines.join("\n"));
  }
  assert.ok(!first.lines.some((line) => /warning/i.test(line)), first.lines.join("\n"));
  assertSaysNoSecret(first.lines.join("\n"));
});

// Most of them try for six seconds.
describe("what is wrong is said, with what to do", { skip, concurrency: 4 }, () => {
  for (const row of ROWS) {
    test(row.what, async () => {
      const program = start(argumentsOf(row));
      assert.equal(await program.exited, 1);
      assertSaid(program, row);
    });
  }
});

test("a wrong password is refused at once, and is not printed", { skip }, async () => {
  await etcdctl("user", "add", `root:${PASSWORDS[0]}`);
  await etcdctl("user", "grant-role", "root", "root");
  await etcdctl("auth", "enable");
  for (const [index, password] of PASSWORDS.entries()) {
    certificates.write(`password${index}`, password);
  }
  const sign = (index: number): readonly string[] => [
    "--etcd-user",
    "root",
    "--etcd-password-file",
    `password${index}`,
  ];
  const right = start(argumentsOf({ more: sign(0) }));
  try {
    await right.line(/is ready$/);
  } finally {
    await right.stop("SIGTERM");
  }
  assertSaysNoSecret(right.lines.join("\n"));
  const wrong = start(argumentsOf({ more: sign(1) }));
  assert.equal(await wrong.exited, 1);
  assertSaid(wrong, {
    code: "WEFT_STORE_DENIED",
    says: /Cannot use etcd at https:\/\/127\.0\.0\.1:\d+: found ".*authentication failed.*"; expected to be let in/,
    hint: /Check the user, the password/,
  });
});

function argumentsOf(row: Partial<Row>): readonly string[] {
  const { member = "server", scheme = "etcds", ca = "ca", certificate = "client", more = [] } = row;
  const { endpoint } = members.get(member) ?? assert.fail(`no member ${member}`);
  const key = row.key ?? (certificate === "" ? "" : `${certificate}.key`);
  return [
    ...["--store", endpoint.replace(/^https?/, scheme)],
    ...(ca === "" ? [] : ["--etcd-ca", ca.includes(".") ? ca : `${ca}.pem`]),
    ...(certificate === "" ? [] : ["--etcd-cert", `${certificate}.pem`]),
    ...(key === "" ? [] : ["--etcd-key", key]),
    ...more,
  ];
}

/** In a home of its own. */
function start(parameters: readonly string[]): Program & { readonly home: string } {
  homes += 1;
  const home = certificates.path(`home${homes}`);
  const listen = ["--api", "127.0.0.1:0", "--xds", "127.0.0.1:0"];
  const program = new Program({
    cwd: certificates.folder,
    home,
    parameters: ["control-plane", "--mesh", "shop", "--secrets-key", "secrets.key", ...listen, ...parameters],
  });
  return Object.assign(program, { home });
}

function assertSaid({ lines }: Program, { code, says, hint }: Pick<Row, "code" | "says" | "hint">): void {
  const text = lines.join("\n");
  assert.match(text, says);
  assert.match(lines.find((line) => line.startsWith(" hint: ")) ?? "", hint, text);
  assert.ok(lines.includes(` code: ${code}`), text);
  assertSaysNoSecret(text);
}

/** Nothing of a key, not even a line of it. */
function assertSaysNoSecret(text: string): void {
  for (const name of ["client", "late", "stranger", "open"]) {
    for (const line of certificates.read(`${name}.key`).trim().split("\n").slice(1, -1)) {
      assert.ok(!text.includes(line), `it printed a part of ${name}.key`);
    }
  }
  for (const password of PASSWORDS) assert.ok(!text.includes(password), "it printed a password");
}

async function etcdctl(...words: readonly string[]): Promise<string> {
  const { endpoint } = members.get("server") ?? assert.fail("no member");
  const [ca = "", certificate = "", key = ""] = ["ca.pem", "client.pem", "client.key"].map((file) =>
    certificates.path(file),
  );
  const access = ["--endpoints", endpoint, "--cacert", ca, "--cert", certificate, "--key", key];
  return (await promisify(execFile)(ETCDCTL.path, [...access, ...words], { env: { ETCDCTL_API: "3" } })).stdout;
}
