/** The two messages of `grpc.health.v1.Health/Check`, each with gRPC's five bytes in front. */

const SERVING = 1;
const STATUS_NAMES: readonly string[] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const PREFIX_BYTES = 5;

/** `HealthCheckRequest { string service = 1; }` */
export function encodeHealthRequest(service: string): Uint8Array {
  const name = Buffer.from(service, "utf8");
  const field = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([encodeVarints(0x0a, name.length), name]);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(field.length, 1);
  return Buffer.concat([prefix, field]);
}

/** Null when the body of the response says that the service is served; otherwise what it says, for people. */
export function refuseHealthResponse(body: Uint8Array): string | null {
  if (body.length < PREFIX_BYTES) return "the answer has no message";
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  const length = bytes.readUInt32BE(1);
  if (bytes[0] !== 0 || bytes.length - PREFIX_BYTES !== length) return "the answer is not one plain message";
  const status = readStatus(bytes.subarray(PREFIX_BYTES));
  if (status === SERVING) return null;
  return status < 0 ? "the answer is not a HealthCheckResponse" : `it says ${STATUS_NAMES[status] ?? String(status)}`;
}

/** `HealthCheckResponse { ServingStatus status = 1; }`: absent means 0. -1 for what is none. */
function readStatus(message: Uint8Array): number {
  if (message.length === 0) return 0;
  // One small number is all that any version of it holds.
  if (message.length !== 2 || message[0] !== 0x08) return -1;
  const status = message[1] ?? 0;
  return status < 0x80 ? status : -1;
}

function encodeVarints(...values: readonly number[]): Uint8Array {
  const bytes: number[] = [];
  for (let value of values) {
    while (value >= 0x80) {
      bytes.push((value & 0x7f) | 0x80);
      value >>>= 7;
    }
    bytes.push(value);
  }
  return Uint8Array.from(bytes);
}
