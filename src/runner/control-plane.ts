import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type ApiClient, createApiClient } from "../apiserver/api-client.ts";
import type { ControlPlaneBootstrap, ControlPlaneStatusLine } from "../control-bootstrap.ts";
import type { JoinGrant, JoinRequest } from "../control/views.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { Clock } from "../time/clock.ts";
import { type ChildExit, describeExit, type SpawnChild } from "./child.ts";
import { resolveOwnScript } from "./proxy-runtime.ts";
import { OWN_BACKOFF } from "./restart-backoff.ts";
import { Supervisor } from "./supervisor.ts";

export interface ControlPlaneOptions {
  readonly clock: Clock;
  readonly spawn: SpawnChild;
  /** All but `stateDir` and `apiToken`, which are the home's. Ports of 0 are kept once they are known. */
  readonly bootstrap: Omit<ControlPlaneBootstrap, "stateDir" | "apiToken">;
  readonly home: string;
  readonly token: string;
  readonly logFile: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Ready again after it was away. */
  readonly onBack: () => void;
  readonly onProblem: (message: string) => void;
}

/** Where it serves. */
export interface ControlPlaneAddress {
  readonly api: string;
  readonly xds: string;
}

/** A sidecar that restarts must not wait for a control plane that is away. */
const IMPATIENT_MS = 2000;
const GRANT_RETRY_MS = 100;
const STOP_GRACE_MS = 5000;

/** The control plane's process, kept running on the same ports and the same state. */
export class ControlPlane {
  /** Resolves when it serves for the first time; rejects when it cannot, with its own words. */
  readonly started: Promise<ControlPlaneAddress>;
  readonly #options: ControlPlaneOptions;
  readonly #supervisor: Supervisor;
  #resolveStarted: (address: ControlPlaneAddress) => void = () => undefined;
  #rejectStarted: (error: WeftError) => void = () => undefined;
  #ports: { readonly api: number; readonly xds: number } | null = null;
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
        command: { kind: "program", file: process.execPath, parameters: [resolveOwnScript("weft-control.js")] },
        cwd: options.home,
        environment: options.environment,
        stdin: "pipe",
        output: { file: options.logFile },
        hasStatus: true,
        ownGroup: true,
      }),
      onStart: (child) => child.sendLine(JSON.stringify(this.#createBootstrap())),
      onStatus: (status) => this.#read(status as ControlPlaneStatusLine),
      onLine: () => undefined,
      onExit: (exit, delayMs) => this.#exit(exit, delayMs),
    });
  }

  start(): void {
    this.#supervisor.start();
  }

  isUp(): boolean {
    return this.#isUp;
  }

  /** Call after `started`. */
  api(): ApiClient {
    if (this.#client === null) throw new WeftError("WEFT_UP_STATE", "Cannot use the API: found a control plane that has not started; expected it to run");
    return this.#client;
  }

  /** "wait": until it is granted. "once": rejects when the control plane does not answer within two seconds. */
  async grantJoin(request: JoinRequest, patience: "wait" | "once"): Promise<JoinGrant> {
    await this.started;
    if (patience === "once") {
      if (this.#impatientClient === null) throw new WeftError("WEFT_UP_STATE", "Cannot join: found no control plane; expected it to run");
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
    this.#client?.close();
    this.#impatientClient?.close();
  }

  kill(): void {
    this.#supervisor.kill("SIGKILL");
  }

  #createBootstrap(): ControlPlaneBootstrap {
    const { bootstrap, home, token } = this.#options;
    return {
      ...bootstrap,
      stateDir: join(home, "control"),
      apiToken: token,
      api: { ...bootstrap.api, port: this.#ports?.api ?? bootstrap.api.port },
      xds: { ...bootstrap.xds, port: this.#ports?.xds ?? bootstrap.xds.port },
    };
  }

  #read(status: ControlPlaneStatusLine): void {
    if (status.event === "failed") {
      this.#failure = status;
      return;
    }
    this.#failure = null;
    this.#isUp = true;
    const isFirst = this.#ports === null;
    this.#ports = { api: status.apiPort, xds: status.xdsPort };
    if (!isFirst) {
      this.#options.onBack();
      return;
    }
    const { bootstrap, token } = this.#options;
    const address = { api: `http://${bootstrap.api.address}:${status.apiPort}`, xds: `${bootstrap.xds.address}:${status.xdsPort}` };
    this.#client = createApiClient({ baseUrl: address.api, token });
    this.#impatientClient = createApiClient({ baseUrl: address.api, token, timeoutMs: IMPATIENT_MS });
    this.#resolveStarted(address);
  }

  #exit(exit: ChildExit, delayMs: number): "restart" | "leave" {
    this.#isUp = false;
    const failure = this.#failure;
    this.#failure = null;
    const { logFile, onProblem } = this.#options;
    if (this.#ports === null) {
      this.#rejectStarted(this.#toStartError(exit, failure));
      return "leave";
    }
    const why = failure === null ? describeExit(exit) : `${failure.message} (${failure.code})`;
    onProblem(`the control plane ${failure === null ? why : `stopped: ${why}`}; it starts again in ${delayMs / 1000} s, requests go on meanwhile (its log: ${logFile})`);
    return "restart";
  }

  #toStartError(exit: ChildExit, failure: Extract<ControlPlaneStatusLine, { readonly event: "failed" }> | null): WeftError {
    if (failure !== null) {
      return new WeftError(failure.code, failure.message, failure.hint === null ? {} : { hint: failure.hint });
    }
    return new WeftError("WEFT_UP_CONTROL", `Cannot start the control plane: it ${describeExit(exit)}; expected it to serve`, {
      hint: `Read its log: ${this.#options.logFile}`,
    });
  }
}

/** 256 random bits; the API's only key. */
export function createApiToken(): string {
  return randomBytes(32).toString("base64url");
}
