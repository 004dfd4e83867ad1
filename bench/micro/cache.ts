// Nanoseconds that a response cache costs a request whose answer it may not keep: the head of the request read, the store
// asked, the head of the answer read. `node dist/bench/micro/cache.js [seconds]`, also under Bun. CPU time, as other work on
// the machine does not count in it.
import { createRoute, parseHead, TEST_POLICY, toSnapshot } from "../../src/proxy/cache/test-scripted-cache.ts";
import { ResponseCache } from "../../src/proxy/cache/response-cache.ts";
import { ProxyCounters } from "../../src/proxy/counters.ts";
import { type DownstreamStream, Exchange } from "../../src/proxy/exchange.ts";
import type { Head } from "../../src/proxy/head.ts";
import { ROLE_REQUEST, ROLE_RESPONSE } from "../../src/proxy/http1/head-parser.ts";
import { systemClock } from "../../src/time/system-clock.ts";
import { TimerWheel } from "../../src/time/timer-wheel.ts";
import { MINIMAL, REALISTIC, REALISTIC_RESPONSE_FIELDS } from "../requests.ts";

const BATCH = 20_000;
const ADDED_FIELDS = 2;

const downstream: DownstreamStream = {
  sendInterim: ignore,
  sendHead: ignore,
  sendData: () => true,
  sendEnd: ignore,
  sendFailure: ignore,
  abort: ignore,
  breakOff: ignore,
  pauseReads: ignore,
  resumeReads: ignore,
};

function ignore(): void {
  // Nobody listens.
}

class Subject {
  readonly label: string;
  bestNs: number = Number.POSITIVE_INFINITY;
  readonly #requests: readonly Head[];
  readonly #response: Head;
  readonly #exchanges: readonly Exchange[];
  readonly #cache: ResponseCache;
  readonly #route: ReturnType<typeof createRoute> = createRoute(TEST_POLICY);

  constructor(label: string, requests: readonly string[], answer: readonly string[]) {
    this.label = label;
    this.#requests = requests.map((text) => parseHead(ROLE_REQUEST, text.trimEnd().split("\r\n")));
    this.#response = parseHead(ROLE_RESPONSE, ["HTTP/1.1 200 OK", "content-length: 500", ...answer]);
    this.#exchanges = this.#requests.map(() => new Exchange(downstream));
    this.#cache = new ResponseCache({
      clock: systemClock,
      wheel: new TimerWheel(systemClock),
      counters: new ProxyCounters(),
    });
    this.#cache.reconcile(toSnapshot([this.#route]));
  }

  measure(): void {
    const bare = this.#run(false);
    this.bestNs = Math.min(this.bestNs, this.#run(true) - bare);
  }

  #run(withCache: boolean): number {
    const start = process.cpuUsage();
    for (let index = 0; index < BATCH; index += 1) {
      // No index is outside: both lists are as long as each other.
      const x = this.#exchanges[index % this.#exchanges.length] as Exchange;
      const request = this.#requests[index % this.#requests.length] as Head;
      const response = this.#response;
      request.additionCount = 0;
      response.additionCount = 0;
      x.begin(null, null, request);
      x.route = this.#route;
      x.authority = "app";
      if (withCache) {
        this.#cache.lookup(x);
        this.#cache.onResponse(x, response);
      }
      x.onResponseHead(response);
      x.onResponseEnd(null);
    }
    const { user, system } = process.cpuUsage(start);
    return ((user + system) * 1_000) / BATCH;
  }
}

const seconds = Number(process.argv[2] ?? "2");
const runtime = "Bun" in globalThis ? `Bun ${process.versions["bun"] ?? ""}` : `Node ${process.version}`;
const fields = REALISTIC_RESPONSE_FIELDS.map(([name, value]) => `${name}: ${value}`);
const subjects = [
  new Subject(
    `realistic, private answer with ${fields.length + ADDED_FIELDS} fields`,
    REALISTIC.requests("app"),
    fields,
  ),
  new Subject("minimal, answer that says nothing of how long", MINIMAL.requests("app"), []),
];
process.stdout.write(`${runtime}, best of the batches within ${seconds} s, by turns\n`);
const end = process.hrtime.bigint() + BigInt(Math.round(seconds * subjects.length * 1e9));
do {
  for (const subject of subjects) subject.measure();
} while (process.hrtime.bigint() < end);
for (const { label, bestNs } of subjects) {
  process.stdout.write(`${label.padEnd(52)} ${bestNs.toFixed(0).padStart(6)} ns\n`);
}
process.exit(0);
