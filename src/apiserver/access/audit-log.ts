import { closeSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";
import type { Log } from "../../lib/log.ts";
import type { Clock } from "../../time/clock.ts";
import { formatWallTime } from "../../time/wall-time.ts";
import type { AccessRequest } from "./authorize.ts";
import type { Principal } from "./principal.ts";

/** One request that wrote, wanted to, or was refused. It has no field that could hold a secret or a body. */
export interface AuditEntry {
  /** Null: nobody known. */
  readonly principal: Principal | null;
  /** Null where the request came to no resource. */
  readonly request: AccessRequest | null;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Of the answer. */
  readonly statusCode: number;
  /** Something stored was changed. */
  readonly changed: boolean;
  readonly isDryRun: boolean;
  /** `address:port`. */
  readonly source: string;
  readonly userAgent: string;
}

/** Where entries go. */
export interface AuditSink {
  write(entry: AuditEntry): void;
  close(): void;
}

export interface AuditLogOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Default 16 MiB; the file is moved aside when it has grown past this. */
  readonly maxBytes?: number;
}

const DEFAULT_MAX_BYTES = 16 * 1024 * 1024;
/** Besides the one that is written. */
const KEPT_FILES = 4;
const MAX_TEXT_CHARACTERS = 256;

/** Refusals may come as fast as anybody can send them: this many at once, then this many a second; the rest is counted. */
const REFUSAL_BURST = 100;
const REFUSALS_PER_SECOND = 1;
/** A log that cannot be written is told of once in this time. */
const COMPLAINT_MS = 60_000;

/**
 * The audit log: one JSON line for each write, for each that was refused, and for each request without valid
 * credentials. 0600, five files of `maxBytes` at most. A line is with the system before the caller learns of the outcome
 * of its request. When it cannot be written, requests go on and the control plane's own log says so.
 */
export class AuditLog implements AuditSink {
  readonly #options: AuditLogOptions;
  #file: number | null = null;
  #bytes = 0;
  #refusals: number = REFUSAL_BURST;
  #refilledMs: number;
  #unlogged = 0;
  #complainedMs: number = Number.NEGATIVE_INFINITY;

  constructor(options: AuditLogOptions) {
    this.#options = options;
    this.#refilledMs = options.clock.nowMs();
  }

  write(entry: AuditEntry): void {
    const isRefusal = entry.statusCode === 401 || entry.statusCode === 403;
    if (isRefusal && !this.#takeRefusal()) {
      this.#unlogged += 1;
      return;
    }
    const time = formatWallTime(this.#options.clock.wallMs());
    const gap = this.#unlogged === 0 ? {} : { unloggedRefusals: this.#unlogged };
    this.#unlogged = 0;
    this.#append(`${JSON.stringify({ time, ...toFields(entry), ...gap })}\n`);
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #takeRefusal(): boolean {
    const nowMs = this.#options.clock.nowMs();
    const refilled = this.#refusals + ((nowMs - this.#refilledMs) / 1000) * REFUSALS_PER_SECOND;
    this.#refusals = Math.min(REFUSAL_BURST, refilled);
    this.#refilledMs = nowMs;
    if (this.#refusals < 1) return false;
    this.#refusals -= 1;
    return true;
  }

  #append(line: string): void {
    const { clock, log, maxBytes = DEFAULT_MAX_BYTES, path } = this.#options;
    try {
      if (this.#file !== null && this.#bytes >= maxBytes) this.#rotate();
      const file = this.#file ?? this.#open();
      this.#bytes += writeSync(file, line);
    } catch (error) {
      if (clock.nowMs() - this.#complainedMs < COMPLAINT_MS) return;
      this.#complainedMs = clock.nowMs();
      log.error("cannot write the audit log; requests go on without it", { path, error });
    }
  }

  #open(): number {
    const file = openSync(this.#options.path, "a", 0o600);
    this.#file = file;
    this.#bytes = fstatSync(file).size;
    return file;
  }

  /** `audit.jsonl` → `audit.jsonl.1` → … → `audit.jsonl.4`, which is lost. */
  #rotate(): void {
    this.close();
    const { path } = this.#options;
    for (let index = KEPT_FILES - 1; index >= 0; index -= 1) {
      try {
        renameSync(index === 0 ? path : `${path}.${index}`, `${path}.${index + 1}`);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
  }
}

/** Where nobody keeps one. */
export const NO_AUDIT: AuditSink = { write: () => undefined, close: () => undefined };

function toFields(entry: AuditEntry): Readonly<Record<string, unknown>> {
  const { principal, request, statusCode } = entry;
  return {
    user: principal?.name ?? null,
    ...(principal === null ? {} : { role: principal.role, credential: principal.how }),
    ...(request === null
      ? { method: cut(entry.method), path: cut(entry.path) }
      : {
          verb: request.verb,
          group: cut(request.group),
          resource: cut(request.resource),
          ...(request.subresource === "" ? {} : { subresource: request.subresource }),
          namespace: cut(request.namespace),
          name: cut(request.name),
        }),
    code: statusCode,
    outcome: statusCode < 400 ? "done" : statusCode === 401 || statusCode === 403 ? "refused" : "failed",
    changed: entry.changed,
    ...(entry.isDryRun ? { dryRun: true } : {}),
    source: entry.source,
    userAgent: cut(entry.userAgent),
  };
}

function cut(text: string): string {
  return text.length > MAX_TEXT_CHARACTERS ? `${text.slice(0, MAX_TEXT_CHARACTERS)}…` : text;
}
