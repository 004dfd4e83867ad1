import { after } from "node:test";
import { type CertificateCollection, createWrongCertificates } from "../testing/wrong-certificates.ts";
import { findBun } from "./bun-api.ts";
import { BunTransport } from "./bun.ts";
import { NodeTransport } from "./node.ts";
import { testPeerRefusals } from "./peer-refusal-table.ts";

let made: CertificateCollection | null = null;
const certificates = (): CertificateCollection => (made ??= createWrongCertificates());
after(() => made?.close());

// On Bun both count: its own sockets, and Node's, which workers adopt there.
const bun = findBun();
testPeerRefusals({ name: "node", create: (clock) => new NodeTransport(clock) }, certificates);
if (bun !== null) testPeerRefusals({ name: "bun", create: (clock) => new BunTransport(bun, clock) }, certificates);
