import type { HealthCheckPolicy } from "../policy/cluster-policy.ts";
import type { CheckRequest } from "./check-request.ts";
import type { ProbeTarget } from "./probe-target.ts";
import type { Probe, ProbeListener, ProbeResult, Prober } from "./prober.ts";
import { createCheckRequest } from "./check-request.ts";
import { ExchangeProbe } from "./exchange-probe.ts";
import { TcpProbe } from "./tcp-probe.ts";

const NOTHING: Probe = { cancel: () => undefined };
/** Every answer of the app is proof that it accepts connections. */
const ANY_ANSWER: Partial<HealthCheckPolicy> = { kind: "http", path: "/", statuses: [[100, 599]] };

/**
 * Checks endpoints the way requests reach them. One per cluster. A `tcp` check of a service whose proxies take requests
 * only becomes a request whose every answer will do: the first such check finds out.
 */
export class EndpointProber<H extends ProbeTarget = ProbeTarget> implements Prober<H> {
  readonly #requests: WeakMap<HealthCheckPolicy, CheckRequest> = new WeakMap();
  readonly #asRequest: WeakMap<HealthCheckPolicy, HealthCheckPolicy> = new WeakMap();

  probe(host: H, check: HealthCheckPolicy, listener: ProbeListener): Probe {
    if (check.kind !== "tcp") return this.#ask(host, check, listener);
    const known = this.#asRequest.get(check);
    if (known !== undefined) return this.#ask(host, known, listener);
    const { peerIdentities } = host.cluster.config;
    const { credentials } = host.runtime;
    if (peerIdentities !== null && credentials === null) {
      listener.onProbeResult({ verdict: "unknown", detail: "this proxy has no certificate yet" });
      return NOTHING;
    }
    const fallback = new TcpFallback(
      listener,
      (last) => this.#ask(host, { ...check, ...ANY_ANSWER }, last),
      () => {
        this.#asRequest.set(check, { ...check, ...ANY_ANSWER });
      },
    );
    fallback.start(new TcpProbe(host, peerIdentities === null ? null : credentials, fallback), check.timeoutMs);
    return fallback;
  }

  #ask(host: H, check: HealthCheckPolicy, listener: ProbeListener): Probe {
    let request = this.#requests.get(check);
    if (request === undefined) {
      request = createCheckRequest(check, authorityOf(host));
      this.#requests.set(check, request);
    }
    const probe = new ExchangeProbe(host, check, request, listener);
    probe.start();
    return probe;
  }
}

/** A tcp check that is turned away by a proxy is tried once more as a request. */
class TcpFallback implements Probe, ProbeListener {
  readonly #listener: ProbeListener;
  readonly #ask: (listener: ProbeListener) => Probe;
  readonly #remember: () => void;
  #tcp: TcpProbe | null = null;
  #request: Probe | null = null;
  #isOver: boolean = false;

  constructor(listener: ProbeListener, ask: (listener: ProbeListener) => Probe, remember: () => void) {
    this.#listener = listener;
    this.#ask = ask;
    this.#remember = remember;
  }

  start(tcp: TcpProbe, timeoutMs: number): void {
    this.#tcp = tcp;
    tcp.start(timeoutMs);
  }

  cancel(): void {
    this.#isOver = true;
    this.#tcp?.cancel();
    this.#request?.cancel();
  }

  onProbeResult(result: ProbeResult): void {
    if (this.#isOver) return;
    if (this.#tcp?.wasTurnedAway !== true) {
      this.#finish(result);
      return;
    }
    const turnedAway = result;
    this.#tcp = null;
    this.#request = this.#ask({
      onProbeResult: (answer) => {
        if (this.#isOver) return;
        if (answer.verdict === "passed") this.#remember();
        // A port of opaque bytes takes no requests either: what counts is what the connection met.
        this.#finish(answer.verdict === "failed" ? turnedAway : answer);
      },
    });
  }

  #finish(result: ProbeResult): void {
    this.#isOver = true;
    this.#listener.onProbeResult(result);
  }
}

/** A name that the service's own proxy and app know: "<service>.<namespace>". */
function authorityOf({ cluster, config }: ProbeTarget): string {
  const [namespace = "", service = ""] = cluster.config.service.split("/");
  return service === "" ? `${config.address}:${config.port}` : `${service}.${namespace}`;
}
