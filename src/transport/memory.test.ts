import { MemoryTransport } from "./memory.ts";
import { testTransport } from "./transport-table.ts";
import { testTransportTls } from "./transport-tls-table.ts";

testTransport({ name: "memory", create: (clock) => new MemoryTransport(clock) });
testTransportTls({ name: "memory", create: (clock) => new MemoryTransport(clock), realTls: false });
