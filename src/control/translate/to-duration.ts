import type { google } from "#gen/protos.js";

export function toDuration(ms: number): google.protobuf.Duration {
  return { seconds: Math.floor(ms / 1000), nanos: Math.round((ms % 1000) * 1_000_000) };
}
