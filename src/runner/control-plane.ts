import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { ApiClient } from "../apiserver/api-client.ts";
import { type ApiUrls, toApiUrls } from "../apiserver/api-urls.ts";
import type { ControlPlaneBootstrap, ControlPlaneStatusLine } from "../control-bootstrap.ts";
import type { JoinGrant, JoinRequest } from "../control/views.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { Clock } from "../time/clock.ts";
import { type Child, type ChildExit, describeExit, type SpawnChild } from "./child.ts";
import { CONTROL_PLANE_ENVIRONMENT, controlPlaneParameters } from "./proxy-runtime.ts";
import { formatAuditPath } from "./audit-path.ts";
import { OWN_BACKOFF } from "./restart-backoff.ts";
import { Supervisor } from "./supervisor.ts";

export interface ControlPlaneOptions {
  readonly clock: Clock;
  readonly spawn: SpawnChild;
  readonly home: string;
  readonly token: string;
  readonly logFile: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Ready again after it was away. */
  readonly onBack: () => void;
  /** The mesh's roots have changed, and nothing else of the address. */
  readonly onRoots: (address: ControlPlaneAddress) => void;
  readonly onProblem: (message: string) => void;
}

/** All but what the home decides. Ports of 0 are kept once they are known. */
export type ControlPlaneSettings = Omit<ControlPlaneBootstrap, "stateDir" | "apiToken" | "auditFile">;

/** Where it serves. */
export interface ControlPlaneAddress {
  readonly api: string;
  readonly xds: string;
  readonly urls: ApiUrls;
  readonly caPem: string;
  readonly serverCertificate: "mesh" | "given";
  readonly mesh: string;
}

/** A sidecar that restarts must not wait for a control plane that is away. */
const IMPATIENT_MS = 2000;
const LISTEN_FAILED = "WEFT_CONTROL_LISTEN";
const GRANT_RETRY_MS = 100;
const STOP_GRACE_MS = 5000;

/**
 * The control plane's process, kept running on the same ports and the same state. It can be started before its settings
 * are known: loading its code takes longer than reading a weft.yaml.
 */
export class ControlPlane {
  /** Resolves when it serves for the first time; rejects when it cannot, with its own words. */
  readonly started: Promise<ControlPlaneAddress>;
  readonly #options: ControlPlaneOptions;
  readonly #supervisor: Supervisor;
  #resolveStarted: (address: ControlPlaneAddress) => void = () => undefined;
  #rejectStarted: (error: WeftError) => void = () => undefined;
  #child: Child | null = null;
  #settings: ControlPlaneSettings | null = null;
  #ports: { readonly api: number; readonly xds: number } | null = null;
  #address: ControlPlaneAddress | null = null;
  readonly #clients: ApiClient[] = [];
  #client: ApiClient | null = null;
  #impatientClient: ApiClient | null = null;
  #failure: Extract<ControlPlaneStatusLine, { readonly event: "failed" }> | null = null;
  #isUp = false;
  #isStopping = false;

  constructor(options: ControlPlaneOptions) {
    this.#options = options;
    this.started = new Promise((resolve, reject) => {
      this.#resolveStarted = resolve;
      this.#rejectStarted = reject;
    });
    // Several wait for it, some of them later than it may fail.
    this.started.catch(() => undefined);
    this.#supervisor = new Supervisor({
      clock: options.clock,
      spawn: options.spawn,
      backoff: OWN_BACKOFF,
      createSpec: () => ({
        title: "control plane",
        command: { kind: "program", file: process.execPath, parameters: controlPlaneParameters() },
        cwd: options.home,
        environment: { ...options.environment, ...CONTROL_PLANE_ENVIRONMENT },
        stdin: "pipe",
        output: { file: options.logFile },
        hasStatus: true,
        ownGroup: true,
      }),
      onStart: (child) => {
        this.#child = child;
        this.#introduce();
      },
      onStatus: (status) => void this.#read(status as ControlPlaneStatusLine),
      onLine: () => undefined,
      onExit: (exit, delayMs) => this.#exit(exit, delayMs),
    });
  }

  start(): void {
    this.#supervisor.start();
  }

  /** Call once; it serves only after this. */
  configure(settings: ControlPlaneSettings): void {
    this.#settings = settings;
    this.#introduce();
  }

  isUp(): boolean {
    return this.#isUp;
  }

  /** Call after `started`. */
  api(): ApiClient {
    if (this.#client === null)
      throw new WeftError(
        "WEFT_UP_STATE",
        "Cannot use the API: found a control plane that has not started; expected it to run",
      );
    return this.#client;
  }

  /** "wait": until it is granted. "once": rejects when the control plane does not answer within two seconds. */
  async grantJoin(request: JoinRequest, patience: "wait" | "once"): Promise<JoinGrant> {
    await this.started;
    if (patience === "once") {
      if (this.#impatientClient === null)
        throw new WeftError("WEFT_UP_STATE", "Cannot join: found no control plane; expected it to run");
      return this.#impatientClient.grantJoin(request);
    }
    for (;;) {
      try {
        return await this.api().grantJoin(request);
      } catch (error) {
        const isAway = error instanceof WeftError && ["WEFT_API_UNREACHABLE", "WEFT_API_TIMEOUT"].includes(error.code);
        if (!isAway || this.#isStopping) throw error;
      }
      await new Promise<void>((resolve) => this.#options.clock.after(GRANT_RETRY_MS, resolve, undefined));
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#isUp = false;
    await this.#supervisor.stop(STOP_GRACE_MS);
    for (const client of this.#clients) client.close();
  }

  kill(): void {
    this.#supervisor.kill();
  }

  #introduce(): void {
    const settings = this.#settings;
    if (settings === null) return;
    const { home, token } = this.#options;
    const bootstrap: ControlPlaneBootstrap = {
      ...settings,
      stateDir: join(home, "control"),
      apiToken: token,
      auditFile: formatAuditPath(home),
      api: { ...settings.api, port: this.#ports?.api ?? settings.api.port },
      xds: { ...settings.xds, port: this.#ports?.xds ?? settings.xds.port },
    };
    this.#child?.sendLine(JSON.stringify(bootstrap));
  }

  async #read(status: ControlPlaneStatusLine): Promise<void> {
    if (status.event === "failed") {
      this.#failure = status;
      return;
    }
    if (status.event === "roots") {
      await this.#followRoots(status.trustBundlePem);
      return;
    }
    this.#failure = null;
    const settings = this.#settings;
    if (settings === null) return;
    const isFirst = this.#ports === null;
    this.#ports = { api: status.apiPort, xds: status.xdsPort };
    if (!isFirst) {
      this.#isUp = true;
      await this.#followRoots(status.trustBundlePem);
      this.#options.onBack();
      return;
    }
    const { address: host } = settings.api;
    const urls = toApiUrls({ address: host, port: status.apiPort, names: settings.apiNames ?? [] });
    const caPem = status.trustBundlePem;
    const address: ControlPlaneAddress = {
      api: urls.local,
      xds: `${settings.xds.address}:${status.xdsPort}`,
      urls,
      caPem,
      serverCertificate: (settings.apiCertificate ?? null) === null ? "mesh" : "given",
      mesh: settings.mesh,
    };
    await this.#use(address);
    this.#isUp = true;
    this.#resolveStarted(address);
  }

  async #use(address: ControlPlaneAddress): Promise<void> {
    const { createApiClient } = await import("../apiserver/api-client.ts");
    const { token } = this.#options;
    const { api: baseUrl, caPem } = address;
    // Calls that run go on with the clients of before; those before them are done.
    for (const client of this.#clients.splice(0, Math.max(0, this.#clients.length - 2))) client.close();
    this.#address = address;
    this.#client = createApiClient({ baseUrl, token, caPem });
    this.#impatientClient = createApiClient({ baseUrl, token, caPem, timeoutMs: IMPATIENT_MS });
    this.#clients.push(this.#client, this.#impatientClient);
  }

  async #followRoots(caPem: string): Promise<void> {
    if (this.#address === null || this.#address.caPem === caPem) return;
    const address = { ...this.#address, caPem };
    await this.#use(address);
    this.#options.onRoots(address);
  }

  #exit(exit: ChildExit, delayMs: number): "restart" | "leave" {
    this.#isUp = false;
    this.#child = null;
    const failure = this.#failure;
    this.#failure = null;
    const { logFile, onProblem } = this.#options;
    if (this.#ports === null) {
      this.#rejectStarted(this.#toStartError(exit, failure));
      return "leave";
    }
    const why = failure === null ? describeExit(exit) : `${failure.message} (${failure.code})`;
    onProblem(
      `the control plane ${failure === null ? why : `stopped: ${why}`}; it starts again in ${delayMs / 1000} s, requests go on meanwhile (its log: ${logFile})`,
    );
    return "restart";
  }

  #toStartError(
    exit: ChildExit,
    failure: Extract<ControlPlaneStatusLine, { readonly event: "failed" }> | null,
  ): WeftError {
    if (failure !== null) {
      const hint =
        failure.code === LISTEN_FAILED
          ? "Another mesh may be running: stop it, or take other ports: weft up --api-port 0 --xds-port 0"
          : failure.hint;
      return new WeftError(failure.code, failure.message, hint === null ? {} : { hint });
    }
    return new WeftError(
      "WEFT_UP_CONTROL",
      `Cannot start the control plane: it ${describeExit(exit)}; expected it to serve`,
      {
        hint: `Read its log: ${this.#options.logFile}`,
      },
    );
  }
}

/** 256 random bits; the API's only key. */
export function createApiToken(): string {
  return randomBytes(32).toString("base64url");
}
