import { StatusError } from "../status.ts";
import { decodeMessage } from "./decode-message.ts";
import { DELETE_OPTIONS_MESSAGE, KUBERNETES_MESSAGES } from "./kubernetes-messages.ts";
import { defineMessage, type MessageType } from "./message-type.ts";
import { REVIEW_MESSAGES } from "./review-messages.ts";

export const PROTOBUF_TYPE = "application/vnd.kubernetes.protobuf";

/** What stands before the message: "k8s" and a zero. */
const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00]);

/** runtime.Unknown: the object's type, and its bytes. */
const TYPE_META = defineMessage("1 apiVersion string\n2 kind string");
const ENVELOPE = defineMessage("1 typeMeta typeMeta\n2 raw bytes", { typeMeta: TYPE_META });

/**
 * The object in a body of Kubernetes' protobuf form. Throws StatusError BadRequest when it is none, and
 * UnsupportedMediaType for a kind that has no such form here. What weft does not know is refused, as it is in JSON.
 */
export function decodeProtobufBody(bytes: Uint8Array): unknown {
  try {
    return decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (error) {
    if (error instanceof StatusError) throw error;
    throw new StatusError(
      "BadRequest",
      `Cannot read the body: found bytes that are not Kubernetes protobuf (${(error as Error).message})`,
    );
  }
}

function decode(bytes: Buffer): unknown {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error('no "k8s" at the start');
  const { apiVersion, kind, raw } = readEnvelope(bytes.subarray(MAGIC.length));
  const message = kind === "DeleteOptions" ? DELETE_OPTIONS_MESSAGE : findMessage(`${apiVersion} ${kind}`);
  if (message === undefined) {
    throw new StatusError(
      "UnsupportedMediaType",
      `Cannot read the body: found ${PROTOBUF_TYPE} of ${apiVersion} ${kind}; expected JSON or YAML for this kind`,
    );
  }
  const unknown: string[] = [];
  const object = decodeMessage(raw, message, (field) => unknown.push(field));
  if (unknown.length > 0) {
    throw new StatusError(
      "BadRequest",
      `Cannot read the body: found unknown fields ${unknown.slice(0, 10).join(", ")}; expected those that weft has`,
    );
  }
  return { apiVersion, kind, ...object };
}

function findMessage(name: string): MessageType | undefined {
  return KUBERNETES_MESSAGES.get(name) ?? REVIEW_MESSAGES.get(name);
}

interface Envelope {
  readonly apiVersion: string;
  readonly kind: string;
  readonly raw: Uint8Array;
}

function readEnvelope(bytes: Uint8Array): Envelope {
  const { typeMeta, raw } = decodeMessage(bytes, ENVELOPE, () => undefined);
  const { apiVersion = "", kind = "" } = (typeMeta ?? {}) as { readonly apiVersion?: string; readonly kind?: string };
  return { apiVersion, kind, raw: raw instanceof Uint8Array ? raw : new Uint8Array() };
}
