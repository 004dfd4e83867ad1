import { BunTransport } from "./bun.ts";
import { findBun } from "./bun-api.ts";
import { testTransport } from "./transport-table.ts";
import { testTransportTls } from "./transport-tls-table.ts";

// Bun's sockets exist on Bun only; the test script runs this file there.
const bun = findBun();
if (bun !== null) {
  testTransport({ name: "bun", create: (clock) => new BunTransport(bun, clock) });
  testTransportTls({ name: "bun", create: (clock) => new BunTransport(bun, clock) });
}
