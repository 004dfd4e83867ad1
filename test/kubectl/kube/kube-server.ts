import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemRandom } from "../../../src/random/system-random.ts";
import { FreePorts } from "../../../src/runner/free-port.ts";
import { EtcdCluster } from "../../integration/etcd-cluster.ts";
import { runCommand } from "../../integration/mesh.ts";
import { waitUntil } from "../../integration/wait-until.ts";
import { listDefinitions } from "./definitions.ts";

export interface KubeOptions {
  /** With kube-apiserver, kube-controller-manager and kubectl, as build.sh makes it. */
  readonly programs: string;
}

const START_LIMIT_MS = 120_000;
const TOKEN = "token-of-the-comparison";

/** A real kube-apiserver on an etcd of its own, with definitions of our kinds and what deletes namespaces and orphans. */
export class KubeServer {
  readonly #folder: string;
  readonly #etcd: EtcdCluster;
  readonly #programs: string;
  readonly #processes: ChildProcess[] = [];
  /** Its user may do everything. */
  readonly kubeconfig: string;

  /** Resolves when it answers and knows our kinds. */
  static async start(options: KubeOptions): Promise<KubeServer> {
    const port = await new FreePorts(systemRandom).take();
    const server = new KubeServer(options, port, await EtcdCluster.start());
    try {
      await server.#run(port);
      return server;
    } catch (error) {
      const log = server.log();
      await server.stop();
      throw new Error(`kube-apiserver did not start; it wrote\n${log.slice(-4000)}`, { cause: error });
    }
  }

  private constructor({ programs }: KubeOptions, port: number, etcd: EtcdCluster) {
    this.#folder = mkdtempSync(join(tmpdir(), "weft-kube-"));
    this.#etcd = etcd;
    this.#programs = programs;
    this.kubeconfig = JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "kube",
      contexts: [{ name: "kube", context: { cluster: "kube", user: "admin" } }],
      clusters: [{ name: "kube", cluster: { server: `https://127.0.0.1:${port}`, "insecure-skip-tls-verify": true } }],
      users: [{ name: "admin", user: { token: TOKEN } }],
    });
  }

  /** What its processes wrote. */
  log(): string {
    return ["kube-apiserver", "kube-controller-manager"].map((name) => this.#readLog(name)).join("\n");
  }

  async stop(): Promise<void> {
    for (const child of this.#processes) child.kill("SIGKILL");
    await this.#etcd.stop();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async #run(port: number): Promise<void> {
    const { privateKey, publicKey } = generateKeyPairSync("rsa", {
      modulusLength: 2048,
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
      publicKeyEncoding: { type: "spki", format: "pem" },
    });
    const signing = this.#write("signing.pem", privateKey);
    const config = this.#write("kubeconfig", this.kubeconfig);
    this.#spawn("kube-apiserver", [
      `--etcd-servers=${this.#etcd.endpoints().join(",")}`,
      `--cert-dir=${join(this.#folder, "certificates")}`,
      "--bind-address=127.0.0.1",
      `--secure-port=${port}`,
      "--service-cluster-ip-range=10.0.0.0/24",
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-key-file=${this.#write("verify.pem", publicKey)}`,
      `--service-account-signing-key-file=${signing}`,
      `--token-auth-file=${this.#write("tokens", `${TOKEN},admin,1,"system:masters"\n`)}`,
      "--authorization-mode=RBAC",
    ]);
    await this.#until("kube-apiserver is ready", ["get", "--raw", "/readyz"]);
    this.#spawn("kube-controller-manager", [
      `--kubeconfig=${config}`,
      "--leader-elect=false",
      "--secure-port=0",
      "--controllers=namespace-controller,garbage-collector-controller",
    ]);
    const definitions = { apiVersion: "v1", kind: "List", items: listDefinitions() };
    const created = await this.#kubectl(["create", "-f", this.#write("definitions.json", JSON.stringify(definitions))]);
    if (created.code !== 0) throw new Error(`Cannot create the definitions: ${created.stderr}`);
    await this.#until("our kinds are served", ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
    await this.#until("namespaces are deleted", ["get", "namespace", "default"]);
  }

  async #until(what: string, parameters: readonly string[]): Promise<void> {
    await waitUntil(what, async () => (await this.#kubectl(parameters)).code === 0, START_LIMIT_MS);
  }

  #kubectl(parameters: readonly string[]): ReturnType<typeof runCommand> {
    const env = { HOME: this.#folder, KUBECONFIG: join(this.#folder, "kubeconfig") };
    return runCommand(join(this.#programs, "kubectl"), parameters, { cwd: this.#folder, env, limitMs: START_LIMIT_MS });
  }

  #spawn(name: string, parameters: readonly string[]): void {
    const log = openSync(join(this.#folder, `${name}.log`), "a");
    const child = spawn(join(this.#programs, name), parameters, { cwd: this.#folder, stdio: ["ignore", log, log] });
    // A program that is missing shows as a server that never answers, with an empty log.
    child.on("error", (error) => writeFileSync(join(this.#folder, `${name}.log`), error.message));
    closeSync(log);
    this.#processes.push(child);
  }

  #readLog(name: string): string {
    try {
      return readFileSync(join(this.#folder, `${name}.log`), "utf8");
    } catch {
      return `${name} was not started`;
    }
  }

  #write(name: string, text: string): string {
    const path = join(this.#folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }
}
