import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttp2Server, type Http2Server } from "node:http2";
import { connect, createServer, type Server as TcpServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeProxyHeader } from "../net/proxy-protocol.ts";

/**
 * What a captured app meets: a listener for what it sends by name, behind which a service answers each request, HTTP/1.1 or
 * HTTP/2, with the fields that it came with, as JSON. A second service, `plainPort`, does so outside the mesh.
 */
export class TellingSidecar {
  readonly #folder: string = mkdtempSync(join(tmpdir(), "weft-telling-"));
  readonly #callee: Server = createHttpServer({ requireHostHeader: false }, tellFields);
  readonly #callee2: Http2Server = createHttp2Server((request, response) => tellFields(request, response as never));
  readonly #outbound: TcpServer = createServer((socket) => this.#accept(socket));
  readonly #plain: Server = createHttpServer(tellFields);

  static async start(names: readonly string[]): Promise<TellingSidecar> {
    const sidecar = new TellingSidecar();
    writeFileSync(join(sidecar.#folder, "names.json"), JSON.stringify({ names }));
    for (const server of [sidecar.#callee, sidecar.#callee2, sidecar.#outbound, sidecar.#plain]) {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
    }
    return sidecar;
  }

  private constructor() {
    this.#callee.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
      response.writeContinue();
      request.resume().on("end", () => tellFields(request, response));
    });
  }

  get outboundPort(): number {
    return portOf(this.#outbound);
  }

  get plainPort(): number {
    return portOf(this.#plain);
  }

  /** For the app, with the preload. */
  environment(preload: string): Record<string, string> {
    return {
      NODE_OPTIONS: `--require ${JSON.stringify(preload)}`,
      WEFT_NAMES: join(this.#folder, "names.json"),
      WEFT_OUTBOUND: `127.0.0.1:${this.outboundPort}`,
    };
  }

  close(): void {
    for (const server of [this.#callee, this.#callee2, this.#outbound, this.#plain]) server.close();
    for (const server of [this.#callee, this.#plain]) server.closeAllConnections();
    rmSync(this.#folder, { recursive: true });
  }

  #accept(socket: Socket): void {
    let bytes = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      const header = decodeProxyHeader(bytes);
      if (header === "partial") return;
      // Without a header it came by http_proxy.
      const rest = typeof header === "string" ? bytes : bytes.subarray(header.length);
      if (rest.length === 0) return;
      socket.off("data", onData);
      const isHttp2 = rest.toString("latin1").startsWith("PRI ");
      const onward = connect(portOf(isHttp2 ? this.#callee2 : this.#callee), "127.0.0.1", () => onward.write(rest));
      onward.on("error", () => socket.destroy());
      onward.on("close", () => socket.destroy());
      socket.on("close", () => onward.destroy());
      socket.pipe(onward).pipe(socket);
    };
    socket.on("error", () => socket.destroy());
    socket.on("data", onData);
  }
}

function tellFields({ headers }: { readonly headers: object }, response: ServerResponse): void {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(headers));
}

function portOf(server: { address(): unknown }): number {
  return (server.address() as { readonly port: number }).port;
}
