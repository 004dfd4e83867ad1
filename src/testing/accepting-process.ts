// A process that accepts connections and hands them to its parent, for the parent's tests of what it adopts.
import { type AcceptedSocket, openSocketAcceptor, type SocketAcceptor } from "../transport/socket-acceptor.ts";

/** What the parent asks for. */
export type AcceptingOrder =
  | { readonly kind: "listen"; readonly key: number; readonly address: string; readonly port: number }
  | { readonly kind: "taken"; readonly id: number }
  | { readonly kind: "close"; readonly key: number };

/** What the parent is told; "accepted" comes with the socket. */
export type AcceptingReport =
  | { readonly kind: "listening"; readonly key: number; readonly port: number }
  | { readonly kind: "refused"; readonly key: number; readonly code: string }
  | { readonly kind: "closed"; readonly key: number }
  | { readonly kind: "accepted"; readonly key: number; readonly id: number };

const acceptors = new Map<number, SocketAcceptor>();
const handed = new Map<number, AcceptedSocket>();
let last = 0;

function report(message: AcceptingReport, socket?: AcceptedSocket): void {
  process.send?.(message, socket, { keepOpen: true });
}

async function listen(order: Extract<AcceptingOrder, { readonly kind: "listen" }>): Promise<void> {
  try {
    const acceptor = await openSocketAcceptor(order, (socket) => {
      last += 1;
      handed.set(last, socket);
      report({ kind: "accepted", key: order.key, id: last }, socket);
    });
    acceptors.set(order.key, acceptor);
    report({ kind: "listening", key: order.key, port: acceptor.port });
  } catch (error) {
    const cause = error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined) : undefined;
    report({ kind: "refused", key: order.key, code: cause?.code ?? "" });
  }
}

process.on("message", (order: AcceptingOrder) => {
  switch (order.kind) {
    case "listen":
      void listen(order);
      break;
    case "taken":
      handed.get(order.id)?.destroy();
      handed.delete(order.id);
      break;
    case "close":
      acceptors.get(order.key)?.close();
      report({ kind: "closed", key: order.key });
      break;
  }
});
process.on("disconnect", () => process.exit(0));
