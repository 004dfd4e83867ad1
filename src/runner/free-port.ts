import { createServer } from "node:net";
import { WeftError } from "../lib/weft-error.ts";
import type { Random } from "../random/random.ts";

/** Below every system's range for outgoing connections, so that none of them takes a port between our look and the app's bind. */
const FIRST_PORT = 20_000;
const PORT_COUNT = 10_000;
const ATTEMPTS = 200;

/** Ports for apps: free at the time of asking, and never the same one twice. */
export class FreePorts {
  readonly #random: Random;
  readonly #given = new Set<number>();

  constructor(random: Random) {
    this.#random = random;
  }

  async take(): Promise<number> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const port = FIRST_PORT + this.#random.below(PORT_COUNT);
      if (this.#given.has(port)) continue;
      this.#given.add(port);
      if (await isPortFree(port)) return port;
    }
    throw new WeftError(
      "WEFT_UP_PORTS",
      `Cannot find a port for an app: found none free in ${ATTEMPTS} tries between ${FIRST_PORT} and ${FIRST_PORT + PORT_COUNT}; expected one`,
      {
        hint: "Give the service a free appPort in weft.yaml",
      },
    );
  }
}

/** True when `host` can be bound; by default when both 127.0.0.1 and, where there is IPv6, all addresses can. */
export async function isPortFree(port: number, host?: string): Promise<boolean> {
  if (host !== undefined) return canBind(port, host);
  return (await canBind(port, "127.0.0.1")) && (await canBind(port, "::"));
}

function canBind(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) =>
      resolve(error.code !== "EADDRINUSE" && error.code !== "EACCES"),
    );
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
