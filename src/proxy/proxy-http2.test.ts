import { MemoryTransport } from "../transport/memory.ts";
import { selectTransport } from "../transport/select.ts";
import type { ProxyTableOptions } from "./proxy-http-table.ts";
import { testProxyHttp2 } from "./proxy-http2-table.ts";
import { testProxyLink } from "./proxy-link-table.ts";

const TRANSPORTS: readonly ProxyTableOptions[] = [
  { name: "this runtime's sockets", create: selectTransport },
  { name: "memory", create: async (clock) => new MemoryTransport(clock) },
  {
    name: "memory that delivers in small pieces",
    create: async (clock) => {
      const transport = new MemoryTransport(clock);
      transport.conditions.chunkBytes = 100;
      return transport;
    },
  },
];

for (const options of TRANSPORTS) testProxyHttp2(options);
for (const options of TRANSPORTS.slice(0, 2)) testProxyLink(options);
