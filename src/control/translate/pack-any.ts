import type { google, MessageType } from "#gen/protos.js";

/** `fullName` is the name of the message's type, without `type.googleapis.com/`. */
export function packAny<T>(fullName: string, type: MessageType<T>, message: T): google.protobuf.Any {
  return { typeUrl: `type.googleapis.com/${fullName}`, value: type.encode(message).finish() };
}
