import type { Clock } from "../time/clock.ts";
import type { EndpointConfig } from "../proxy/snapshot.ts";
import type { Host } from "../proxy/balance/host.ts";
import { EndpointLoad } from "../proxy/load/endpoint-load.ts";
import { HostStats } from "../proxy/balance/host-stats.ts";

/** An instance for tests: everything that balancing looks at can be set. */
export class TestHost implements Host {
  config: EndpointConfig;
  inFlight: number = 0;
  readonly load: EndpointLoad;
  readonly stats: HostStats = new HostStats();
  readonly health: { available: boolean } = { available: true };
  readonly addedMs: number;
  picks: number = 0;

  constructor(clock: Clock, config: Partial<EndpointConfig> = {}) {
    this.config = { ...DEFAULTS, ...config };
    this.load = new EndpointLoad(clock, this);
    this.addedMs = clock.nowMs();
  }

  /** As if a response with a load report had just come. */
  report(inFlight: number, latencyMs: number, nowMs: number): void {
    this.load.accept(inFlight, latencyMs, nowMs);
  }
}

const DEFAULTS: EndpointConfig = {
  address: "10.0.0.1",
  port: 80,
  version: "",
  workload: "",
  weight: 1,
  priority: 0,
  zone: "",
};

/** `count` instances at 10.0.0.1, 10.0.0.2, ... */
export function createTestHosts(clock: Clock, count: number, config: Partial<EndpointConfig> = {}): TestHost[] {
  return Array.from({ length: count }, (_, index) => {
    return new TestHost(clock, { address: `10.0.${index >> 8}.${(index & 255) + 1}`, ...config });
  });
}
