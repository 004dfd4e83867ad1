import { type ServiceError, status } from "@grpc/grpc-js";
import type { Clock } from "../../time/clock.ts";
import { closedError, type MemberFailure, noteFailure, unreachableError } from "./etcd-failure.ts";
import { LEASE_KEEP_ALIVE } from "./etcd-messages.ts";
import type { EtcdMember } from "./etcd-member.ts";
import { MemberError } from "./etcd-member.ts";
import type { MemberPool } from "./member-pool.ts";

/** A lease that matters is renewed at a third of its life: an answer that comes later than this is of no use. */
const ANSWER_MS = 3_000;

/**
 * Asks each member once: renewing twice does no harm. Returns the seconds left, 0 = no such lease. Rejects with
 * WEFT_STORE_UNREACHABLE.
 */
export async function renewLease(pool: MemberPool, clock: Clock, leaseId: number): Promise<number> {
  const tried = new Map<string, MemberFailure>();
  for (let attempt = 0; attempt < pool.size(); attempt += 1) {
    if (pool.closed()) throw closedError();
    const member = pool.current();
    try {
      await member.connect(pool.connectTimeoutMs());
      return await renewAt(member, await pool.token(member), clock, leaseId);
    } catch (error) {
      if (!(error instanceof MemberError)) throw error;
      if (error.failure.code === status.UNAUTHENTICATED) pool.dropToken();
      noteFailure(tried, error.failure);
      pool.moveOn(member);
    }
  }
  throw unreachableError(tried);
}

/** etcd offers it as a stream only; here it carries one question. */
function renewAt(member: EtcdMember, token: string | null, clock: Clock, leaseId: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (code: status, text: string): void => {
      timer.clear();
      reject(new MemberError({ endpoint: member.name, code, text, unsent: false }));
    };
    const stream = member.openStream(LEASE_KEEP_ALIVE, token);
    const timer = clock.after(
      ANSWER_MS,
      () => {
        fail(status.DEADLINE_EXCEEDED, `no answer in ${ANSWER_MS} ms`);
        stream.cancel();
      },
      undefined,
    );
    stream.on("data", ({ ttl }: { readonly ttl?: number | null }) => {
      timer.clear();
      resolve(ttl ?? 0);
      stream.end();
      stream.cancel();
    });
    stream.on("error", (error: ServiceError) => fail(error.code, error.details));
    stream.on("end", () => fail(status.UNAVAILABLE, "the stream ended without an answer"));
    stream.write({ id: leaseId });
  });
}
