import type { Child, ChildEvents, ChildExit, ChildSpec, SpawnChild } from "../runner/child.ts";

/** Child processes that exist only on paper: a test says what they do. */
export class FakeProcesses {
  /** All that were ever started, in order. */
  readonly children: FakeChild[] = [];

  readonly spawn: SpawnChild = (spec, events) => {
    const child = new FakeChild(spec, events, this.children.length + 100);
    this.children.push(child);
    return child;
  };

  /** The last one started with this title. */
  latest(title: string): FakeChild {
    const child = this.children.findLast((candidate) => candidate.spec.title === title);
    if (child === undefined) throw new Error(`no child "${title}" was started`);
    return child;
  }

  count(title: string): number {
    return this.children.filter((candidate) => candidate.spec.title === title).length;
  }
}

export class FakeChild implements Child {
  readonly pid: number;
  readonly spec: ChildSpec;
  /** What it was told on standard input. */
  readonly lines: string[] = [];
  readonly signals: string[] = [];
  /** False: SIGTERM does nothing until `exit` is called. */
  obeysSigterm = true;
  hasExited = false;
  readonly #events: ChildEvents;
  #onExit: (() => void)[] = [];

  constructor(spec: ChildSpec, events: ChildEvents, pid: number) {
    this.spec = spec;
    this.#events = events;
    this.pid = pid;
  }

  sendLine(line: string): void {
    if (!this.hasExited) this.lines.push(line);
  }

  kill(signal: NodeJS.Signals): void {
    this.signals.push(signal);
    if (!this.hasExited && (signal === "SIGKILL" || this.obeysSigterm)) this.exit({ signal });
  }

  stop(): Promise<void> {
    if (!this.hasExited) this.kill("SIGTERM");
    if (this.hasExited) return Promise.resolve();
    return new Promise((resolve) => this.#onExit.push(resolve));
  }

  status(status: unknown): void {
    this.#events.onStatus(status);
  }

  print(line: string): void {
    this.#events.onLine(line);
  }

  exit(exit: Partial<ChildExit>): void {
    this.hasExited = true;
    this.#events.onExit({ code: null, signal: null, error: null, ...exit });
    for (const listener of this.#onExit.splice(0)) listener();
  }
}
