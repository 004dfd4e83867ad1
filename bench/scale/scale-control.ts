import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type ApiClient, createApiClient } from "../../src/apiserver/api-client.ts";
import type { ControlPlaneBootstrap, ControlPlaneStatusLine } from "../../src/control-bootstrap.ts";
import { createApiToken } from "../../src/runner/control-plane.ts";
import { createOwnProcessEnvironment, readEnvironment } from "../../src/runner/environment.ts";
import { CONTROL_PLANE_ENVIRONMENT, controlPlaneParameters } from "../../src/runner/proxy-runtime.ts";
import { BenchProcess } from "../bench-process.ts";
import { readCpuMicros, readMemory } from "../process-cost.ts";

type ControlReady = Extract<ControlPlaneStatusLine, { readonly event: "ready" }>;

export interface ScaleControlOptions {
  /** Holds the state folder `control`. */
  readonly folder: string;
  readonly mesh: string;
  readonly trustDomain: string;
  /** Of the executable: those of profilers. */
  readonly parameters: readonly string[];
}

const LOOPBACK = "127.0.0.1";
const START_MS = 120_000;
const STOP_MS = 10_000;

/** The control plane's process, which can be started again on the same state and the same ports. */
export class ScaleControl {
  readonly #options: ScaleControlOptions;
  readonly #token: string = createApiToken();
  #process: BenchProcess | null = null;
  #api: ApiClient | null = null;
  #ports: { readonly api: number; readonly xds: number } = { api: 0, xds: 0 };

  constructor(options: ScaleControlOptions) {
    this.#options = options;
  }

  /** Resolves with how long it took to be ready. */
  async start(): Promise<number> {
    const { folder, mesh, parameters, trustDomain } = this.#options;
    this.#process = new BenchProcess({
      title: "control plane",
      file: process.execPath,
      parameters: [...parameters, ...controlPlaneParameters()],
      cwd: folder,
      environment: {
        ...createOwnProcessEnvironment(readEnvironment(), join(folder, "compile-cache")),
        ...CONTROL_PLANE_ENVIRONMENT,
      },
      core: null,
    });
    const bootstrap: ControlPlaneBootstrap = {
      stateDir: join(folder, "control"),
      mesh,
      trustDomain,
      api: { address: LOOPBACK, port: this.#ports.api },
      xds: { address: LOOPBACK, port: this.#ports.xds },
      apiToken: this.#token,
      defaults: { access: "strict", egress: "allow", certificateLifetime: "24h" },
      logLevel: "warn",
    };
    this.#process.sendLine(JSON.stringify(bootstrap));
    const { line, atMs } = await this.#process.status<ControlReady>("ready", START_MS);
    this.#ports = { api: line.apiPort, xds: line.xdsPort };
    this.#api?.close();
    this.#api = createApiClient({
      baseUrl: `http://${LOOPBACK}:${line.apiPort}`,
      token: this.#token,
      timeoutMs: 60_000,
    });
    return atMs - this.#process.startedMs;
  }

  get api(): ApiClient {
    if (this.#api === null) throw new Error("ScaleControl.api was asked for before start()");
    return this.#api;
  }

  get xdsPort(): number {
    return this.#ports.xds;
  }

  cpuMicros(): number {
    return readCpuMicros(this.#pid());
  }

  residentBytes(): number {
    return readMemory(this.#pid()).residentBytes;
  }

  /** The most that it has had so far. */
  peakResidentBytes(): number {
    const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.#pid()}/status`, "utf8"));
    return match === null ? Number.NaN : Number(match[1]) * 1024;
  }

  /** What it printed, when it has ended by itself. */
  describeEnd(): string | null {
    return this.#process?.describeEnd() ?? null;
  }

  async stop(): Promise<void> {
    await this.#process?.stop(STOP_MS);
    this.#process = null;
  }

  async close(): Promise<void> {
    this.#api?.close();
    await this.stop();
  }

  #pid(): number {
    if (this.#process === null) throw new Error("The control plane is not running");
    return this.#process.pid;
  }
}
