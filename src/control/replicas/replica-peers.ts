import { weft } from "#gen/protos.js";
import type { Log } from "../../lib/log.ts";
import type { Clock } from "../../time/clock.ts";
import { GrpcClient, type GrpcCredentials } from "../../xds/grpc-client.ts";
import type { ReplicaAnswers } from "./local-views.ts";
import type { Replica, ReplicaDirectory } from "./replica-directory.ts";
import { ASK_PATH } from "./replica-service.ts";

export interface ReplicaPeersOptions {
  readonly directory: ReplicaDirectory;
  readonly serverSpiffeId: string;
  /** This control plane's own. */
  readonly credentials: () => GrpcCredentials;
  readonly clock: Clock;
  readonly log: Log;
}

/** One other control plane and what it said; undefined when it did not answer. */
export interface PeerAnswer<Answer> {
  readonly replica: Replica;
  readonly answer: Answer | undefined;
}

/** A view waits this long for the others; what one of them knows is then missing. */
const ANSWER_MS = 2_000;

/** Asks the mesh's other control planes, over mutual TLS. */
export class ReplicaPeers {
  readonly #options: ReplicaPeersOptions;
  /** By replica id. */
  readonly #clients: Map<string, GrpcClient> = new Map();
  readonly #stopWatching: () => void;

  constructor(options: ReplicaPeersOptions) {
    this.#options = options;
    this.#stopWatching = options.directory.onChange(() => this.#dropGone());
  }

  /** One entry for each other control plane, all asked at once. Never rejects. */
  async ask<What extends keyof ReplicaAnswers>(
    what: What,
    argument: string = "",
  ): Promise<readonly PeerAnswer<ReplicaAnswers[What]>[]> {
    const { directory, log } = this.#options;
    const others = directory.all().filter((replica) => replica.id !== directory.self.id);
    const question = weft.v1.ReplicaQuestion.encode({ what, argument }).finish();
    return await Promise.all(
      others.map(async (replica) => {
        try {
          const bytes = await this.#clientOf(replica).unary(ASK_PATH, question, { deadlineMs: ANSWER_MS });
          const { json } = weft.v1.ReplicaAnswer.decode(bytes);
          // Another control plane of this mesh, proved by its certificate, made it from the same types.
          return { replica, answer: JSON.parse(Buffer.from(json ?? []).toString("utf8")) as ReplicaAnswers[What] };
        } catch (error) {
          log.debug("another control plane did not answer", { replica: replica.name, what, error });
          return { replica, answer: undefined };
        }
      }),
    );
  }

  /** Our certificate changed. */
  refresh(): void {
    for (const client of this.#clients.values()) client.refresh();
  }

  close(): void {
    this.#stopWatching();
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  #clientOf({ id, xds }: Replica): GrpcClient {
    const known = this.#clients.get(id);
    if (known !== undefined) return known;
    const { clock, credentials, serverSpiffeId } = this.#options;
    const client = new GrpcClient({ ...xds, serverSpiffeId, credentials, clock, connectTimeoutMs: ANSWER_MS });
    this.#clients.set(id, client);
    return client;
  }

  #dropGone(): void {
    const present = new Set(this.#options.directory.all().map((replica) => replica.id));
    for (const [id, client] of this.#clients) {
      if (present.has(id)) continue;
      client.close();
      this.#clients.delete(id);
    }
  }
}
