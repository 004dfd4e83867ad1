import { status } from "@grpc/grpc-js";
import type { sendUnaryData, Server, ServerUnaryCall, ServiceDefinition } from "@grpc/grpc-js";
import { weft } from "#gen/protos.js";
import type { Log } from "../../lib/log.ts";
import type { PeerVerifier } from "../ca/peer-verifier.ts";
import { CONTROL_PLANE_NAMESPACE, CONTROL_PLANE_SERVICE_ACCOUNT } from "../ca/svid-issuer.ts";
import { answerQuestion, type LocalViews } from "./local-views.ts";

export interface ReplicaServiceOptions {
  readonly views: LocalViews;
  readonly verifier: PeerVerifier;
  readonly log: Log;
}

export const ASK_PATH = "/weft.v1.ReplicaService/Ask";

type Call = ServerUnaryCall<weft.v1.ReplicaQuestion, weft.v1.ReplicaAnswer>;

const DEFINITION: ServiceDefinition = {
  ask: {
    path: ASK_PATH,
    requestStream: false,
    responseStream: false,
    requestSerialize: (message: weft.v1.ReplicaQuestion) =>
      Buffer.from(weft.v1.ReplicaQuestion.encode(message).finish()),
    requestDeserialize: (bytes: Buffer) => weft.v1.ReplicaQuestion.decode(bytes),
    responseSerialize: (message: weft.v1.ReplicaAnswer) => Buffer.from(weft.v1.ReplicaAnswer.encode(message).finish()),
    responseDeserialize: (bytes: Buffer) => weft.v1.ReplicaAnswer.decode(bytes),
  },
};

/** Serves weft.v1.ReplicaService: what this control plane knows, for the mesh's other control planes and nobody else. */
export function addReplicaService(server: Server, { views, verifier, log }: ReplicaServiceOptions): void {
  server.addService(DEFINITION, {
    ask: (call: Call, respond: sendUnaryData<weft.v1.ReplicaAnswer>) => {
      const peer = verifier.identify(call);
      const isControlPlane =
        peer?.namespace === CONTROL_PLANE_NAMESPACE && peer.serviceAccount === CONTROL_PLANE_SERVICE_ACCOUNT;
      if (!isControlPlane) {
        const found = peer === null ? "no valid client certificate" : `the certificate of ${peer.spiffeId}`;
        const details = `WEFT_REPLICA_DENIED: Cannot answer: found ${found}; expected a control plane's`;
        respond({ code: peer === null ? status.UNAUTHENTICATED : status.PERMISSION_DENIED, details }, null);
        return;
      }
      try {
        const answer = answerQuestion(views, call.request.what ?? "", call.request.argument ?? "");
        if (answer === undefined) respond({ code: status.UNIMPLEMENTED, details: "an unknown question" }, null);
        else respond(null, { json: Buffer.from(JSON.stringify(answer)) });
      } catch (error) {
        log.error("could not answer another control plane", { what: call.request.what, error });
        respond({ code: status.INTERNAL, details: "see the log of this control plane" }, null);
      }
    },
  });
}
