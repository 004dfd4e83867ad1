/**
 * A log of JSON lines: `{"time":…,"level":…,"message":…, …fields}`. Fields whose name says that they hold a secret, and
 * values that hold a private key, are replaced; long values are cut. That is a net under the rule "never log a secret",
 * not a reason to rely on it.
 */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** An Error is written as its name, code and message. */
export type LogFields = Readonly<Record<string, unknown>>;

export type LogLevel = "error" | "warn" | "info" | "debug";

export interface JsonLogOptions {
  readonly level: LogLevel;
  /** The time of a line, e.g. `() => formatWallTime(clock.wallMs())`. */
  readonly timestamp: () => string;
  /** Takes one line with its line feed. */
  readonly write: (line: string) => void;
  /** Written with every line, e.g. `{ component: "control-plane" }`. */
  readonly fields?: LogFields;
}

const LEVELS: readonly LogLevel[] = ["error", "warn", "info", "debug"];
const MAX_VALUE_CHARACTERS = 4096;
const SECRET_FIELD = /credential|token|secret|password|passphrase|authorization|cookie|private|keypem/i;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;

export class JsonLog implements Log {
  readonly #options: JsonLogOptions;
  #rank: number;

  constructor(options: JsonLogOptions) {
    this.#options = options;
    this.#rank = LEVELS.indexOf(options.level);
  }

  /** Takes effect with the next line. */
  setLevel(level: LogLevel): void {
    this.#rank = LEVELS.indexOf(level);
  }

  debug(message: string, fields?: LogFields): void {
    this.#write("debug", message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#write("info", message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#write("warn", message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#write("error", message, fields);
  }

  #write(level: LogLevel, message: string, fields: LogFields | undefined): void {
    if (LEVELS.indexOf(level) > this.#rank) return;
    const line = {
      time: this.#options.timestamp(),
      level,
      message: toLoggable(message),
      ...toLoggableFields(this.#options.fields),
      ...toLoggableFields(fields),
    };
    this.#options.write(`${JSON.stringify(line)}\n`);
  }
}

/** For tests and for parts that run without a log. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

function toLoggableFields(fields: LogFields | undefined): Record<string, unknown> {
  const loggable: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields ?? {})) {
    loggable[name] = SECRET_FIELD.test(name) ? "[redacted]" : toLoggable(value);
  }
  return loggable;
}

/** Plain JSON of bounded depth, whatever the value: logging never throws. */
function toLoggable(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return cut(value);
  if (typeof value === "bigint" || typeof value === "symbol") return String(value);
  if (typeof value === "function") return "[function]";
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Error) return toLoggableError(value, depth);
  if (value instanceof Uint8Array) return `[${value.length} bytes]`;
  if (depth >= 3) return "[…]";
  if (Array.isArray(value)) return value.slice(0, 50).map((item) => toLoggable(item, depth + 1));
  const object: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value).slice(0, 50)) {
    object[name] = SECRET_FIELD.test(name) ? "[redacted]" : toLoggable(field, depth + 1);
  }
  return object;
}

function toLoggableError(error: Error, depth: number): Record<string, unknown> {
  const code = "code" in error ? { code: toLoggable(error.code, depth + 1) } : {};
  const cause = error.cause === undefined || depth >= 3 ? {} : { cause: toLoggable(error.cause, depth + 1) };
  return { name: error.name, ...code, message: cut(error.message), ...cause };
}

function cut(text: string): string {
  if (PRIVATE_KEY.test(text)) return "[redacted]";
  return text.length <= MAX_VALUE_CHARACTERS ? text : `${text.slice(0, MAX_VALUE_CHARACTERS)}…`;
}
