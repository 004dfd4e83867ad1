import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const PRELOAD = fileURLToPath(new URL("preload.cjs", import.meta.url));

/** Each is what an app does with a socket `s` and `done`, after a message has come back. */
const SENT: readonly (readonly [shape: string, code: string])[] = [
  ["send(bytes, port, name)", `s.send("x", 53, "dns")`],
  ["send(bytes, port, name, callback)", `s.send("x", 53, "dns", () => undefined)`],
  ["send(bytes, offset, length, port, name)", `s.send(Buffer.from("yxy"), 1, 1, 53, "dns")`],
  ["send(list, port, name)", `s.send([Buffer.from("x")], 53, "dns")`],
  ["a name with its namespace", `s.send("x", 53, "dns.default")`],
  ["a full name in capitals", `s.send("x", 53, "DNS.Default.svc.cluster.local.")`],
  ["connect(port, name)", `s.connect(53, "dns", () => s.send("x"))`],
];

test("the preload sends datagrams for a service's name to the sidecar's socket", async () => {
  const sidecar = createSocket("udp4");
  sidecar.on("message", (bytes, { address, port }) => sidecar.send(`got ${bytes.toString()}`, port, address));
  sidecar.bind(0, "127.0.0.1");
  await once(sidecar, "listening");
  const code = SENT.flatMap(([, call]) => [
    `await new Promise((resolve) => { const s = require("node:dgram").createSocket("udp4");` +
      ` s.on("message", (m) => { answers.push(String(m)); s.close(resolve); }); s.on("error", (e) => { answers.push(e.message); resolve(); }); ${call}; });`,
  ]).join("\n");
  const script = `(async () => { const answers = []; ${code} console.log(JSON.stringify(answers)); })();`;
  const app = spawn(process.execPath, ["--require", PRELOAD, "-e", script], {
    env: { PATH: process.env["PATH"], WEFT_UDP: `default/dns:53=127.0.0.1:${sidecar.address().port}` },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  app.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await once(app, "close");
  sidecar.close();
  const answers = JSON.parse(text) as readonly string[];
  assert.deepEqual(
    SENT.map(([shape], at) => [shape, answers[at]]),
    SENT.map(([shape]) => [shape, "got x"]),
  );
});

test("what is no service of UDP goes its own way", async () => {
  const script = `const s = require("node:dgram").createSocket("udp4");
    s.send("x", 54, "dns.invalid", (error) => { console.log(error === null ? "sent" : error.code); s.close(); });`;
  const app = spawn(process.execPath, ["--require", PRELOAD, "-e", script], {
    env: { PATH: process.env["PATH"], WEFT_UDP: "default/dns:53=127.0.0.1:9" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  app.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await once(app, "close");
  assert.match(text, /ENOTFOUND|EAI_AGAIN/);
});
