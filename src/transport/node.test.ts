import { NodeTransport } from "./node.ts";
import { testTransport } from "./transport-table.ts";
import { testTransportTls } from "./transport-tls-table.ts";

testTransport({ name: "node", create: (clock) => new NodeTransport(clock) });
testTransportTls({ name: "node", create: (clock) => new NodeTransport(clock) });
