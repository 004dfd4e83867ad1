import { WEFT_VERSION } from "../../version.ts";
import { DEFAULT_DECODER_LIMITS } from "../http1/decoder-contract.ts";
import { Http1Decoder } from "../http1/decoder.ts";
import type { Head } from "../head.ts";
import type { HealthCheckPolicy } from "../policy/cluster-policy.ts";
import { encodeHealthRequest } from "./grpc-health-message.ts";

/** The request that a check makes. */
export interface CheckRequest {
  readonly head: Head;
  readonly body: Uint8Array | null;
  /** "GET /healthz", for messages. */
  readonly name: string;
}

const AGENT = `user-agent: weft-health-check/${WEFT_VERSION}\r\n`;
const GRPC_PATH = "/grpc.health.v1.Health/Check";

/** Throws RangeError when the policy holds what cannot stand in a request; its validation lets no such thing pass. */
export function createCheckRequest(policy: HealthCheckPolicy, authority: string): CheckRequest {
  if (policy.kind !== "grpc") {
    const text = `GET ${policy.path} HTTP/1.1\r\nhost: ${authority}\r\n${AGENT}\r\n`;
    return { head: decodeHead(text), body: null, name: `GET ${policy.path}` };
  }
  const body = encodeHealthRequest(policy.service);
  const fields = `content-type: application/grpc\r\nte: trailers\r\ncontent-length: ${body.length}\r\n`;
  const text = `POST ${GRPC_PATH} HTTP/1.1\r\nhost: ${authority}\r\n${AGENT}${fields}\r\n`;
  return { head: decodeHead(text), body, name: `POST ${GRPC_PATH}` };
}

/** By the codec itself, so that a check's head is what any request's is. */
function decodeHead(text: string): Head {
  let decoded: Head | null = null;
  const decoder = new Http1Decoder(
    "request",
    {
      onInterim: () => undefined,
      onHead: (head) => {
        decoded = head.clone();
      },
      onData: () => undefined,
      onEnd: () => undefined,
      onFailure: (failure) => {
        throw new RangeError(`A health check's request is malformed: ${failure.message}`);
      },
    },
    DEFAULT_DECODER_LIMITS,
  );
  decoder.decode(Buffer.from(text, "latin1"));
  decoder.stop();
  if (decoded === null) throw new RangeError("A health check's request is cut short");
  return decoded;
}
