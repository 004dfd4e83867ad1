import { type Command, InvalidArgumentError, Option } from "commander";
import type { BoundAddress } from "../proxy-node.ts";
import { addApiOptions, type ApiFlags, readApiFlags } from "./api-options.ts";
import type { CliContext } from "./context.ts";

const EXAMPLES = `
Examples:
  $ weft control-plane --mesh shop                                       alone, with its store in the state folder
  $ weft control-plane --mesh shop --store etcd://10.0.0.1:2379,10.0.0.2:2379 --xds 10.0.0.5:9339
  $ weft control-plane shop/weft.yaml --store etcds://etcd.internal:2379 --etcd-ca ca.pem --advertise cp-1.internal

Several control planes of one mesh share an etcd and the key that seals the mesh's secrets in it: the first one makes
secrets.key in its state folder, the others need a copy of it there. See docs/control-planes.md.
`;

interface ControlPlaneFlags extends ApiFlags {
  readonly mesh?: string;
  readonly trustDomain?: string;
  readonly store?: string;
  readonly etcdCa?: string;
  readonly etcdCert?: string;
  readonly etcdKey?: string;
  readonly etcdUser?: string;
  readonly etcdPasswordFile?: string;
  readonly secretsKey?: string;
  readonly api: BoundAddress;
  readonly xds: BoundAddress;
  readonly advertise?: { readonly host: string; readonly port: number };
}

export function registerControlPlaneCommand(program: Command, context: CliContext): void {
  const command = program
    .command("control-plane")
    .summary("run one control plane by itself")
    .description(
      "Runs one control plane in the foreground, without apps, until Ctrl-C or SIGTERM. Several of one mesh on one etcd serve together; when one dies, its proxies go to the others.",
    )
    .argument("[file]", "weft.yaml whose mesh it is; services in it are not run")
    .option("--mesh <name>", "the mesh's name, instead of a weft.yaml")
    .option("--trust-domain <domain>", "default: <mesh>.mesh")
    .option(
      "--store <store>",
      "etcd://host:port,host:port (etcds:// with TLS) or lmdb:PATH (default: in the state folder)",
    )
    .option("--etcd-ca <file>", "who signed the members' certificates (PEM)")
    .option("--etcd-cert <file>", "the client's certificate (PEM)")
    .option("--etcd-key <file>", "its key (PEM)")
    .option("--etcd-user <name>", "user, when etcd asks for one")
    .option("--etcd-password-file <file>", "its password, in a file that only its owner may read")
    .option("--secrets-key <file>", "seals the mesh's secrets in etcd (default: secrets.key in the state folder)")
    .addOption(addressOption("--api <address:port>", "where the API listens", "127.0.0.1:9338"))
    .addOption(addressOption("--xds <address:port>", "where proxies reach it", "127.0.0.1:9339"))
    .addOption(
      new Option("--advertise <host[:port]>", "where others reach what --xds listens on (default: there)").argParser(
        parseHost,
      ),
    )
    .addHelpText("after", EXAMPLES);
  addApiOptions(command).action(async (file: string | undefined, flags: ControlPlaneFlags) => {
    const { runControlPlane } = await import("../runner/run-control-plane.ts");
    await runControlPlane(context, {
      file: file ?? null,
      mesh: flags.mesh ?? null,
      trustDomain: flags.trustDomain ?? null,
      store: flags.store ?? null,
      storeFiles: {
        ca: flags.etcdCa,
        certificate: flags.etcdCert,
        key: flags.etcdKey,
        user: flags.etcdUser,
        passwordFile: flags.etcdPasswordFile,
        secretsKey: flags.secretsKey,
      },
      api: { ...flags.api, ...readApiFlags(flags) },
      xds: flags.xds,
      advertise: flags.advertise ?? null,
    });
  });
}

function addressOption(flags: string, description: string, byDefault: string): Option {
  return new Option(flags, description).default(parseAddress(byDefault), byDefault).argParser(parseAddress);
}

function parseAddress(text: string): BoundAddress {
  const { host, port } = splitHostPort(text);
  if (host === "" || port === null)
    throw new InvalidArgumentError("Expected an address and a port, e.g. 10.0.0.5:9339.");
  return { address: host, port };
}

function parseHost(text: string): { readonly host: string; readonly port: number } {
  const { host, port } = splitHostPort(text.includes(":") && !text.endsWith("]") ? text : `${text}:0`);
  if (host === "" || port === null) throw new InvalidArgumentError("Expected a host, or a host and a port.");
  return { host, port };
}

function splitHostPort(text: string): { readonly host: string; readonly port: number | null } {
  const [, host = "", digits = ""] = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  return { host: host.replace(/^\[(.*)\]$/, "$1"), port: digits === "" || port > 65_535 ? null : port };
}
