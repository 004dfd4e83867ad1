import { NodeTransport } from "./node.ts";
import { testTransport } from "./transport-table.ts";

testTransport({ name: "node", create: (clock) => new NodeTransport(clock) });
