import { z } from "zod";
import { type KindVersion, type ServedObject, withContent } from "../kind-version.ts";
import type { Resource } from "../resource.ts";
import { strictObject } from "../strict-object.ts";
import type { TcpRoute } from "../tcp-route.ts";
import { type OlderFrame, olderMetadata, olderObjectSchema } from "./older-object.ts";

const emptySpec: z.ZodType = z.preprocess((value) => value ?? {}, strictObject<object>({}));

/** Before v1alpha4 a TCPRoute says no port, and means every one. */
export const TCP_ROUTE_VERSIONS: readonly KindVersion[] = [
  {
    version: "v1alpha3",
    schema: olderObjectSchema("specs.smi-spec.io/v1alpha3", "TCPRoute", emptySpec),
    toStored: toEveryPort,
    fromStored: (route) => fromEveryPort(route, "specs.smi-spec.io/v1alpha3", { spec: {} }),
  },
  ...["v1alpha2", "v1alpha1"].map((version): KindVersion => ({
    version,
    schema: strictObject<OlderFrame>({
      apiVersion: z.literal(`specs.smi-spec.io/${version}`),
      kind: z.literal("TCPRoute"),
      metadata: olderMetadata,
      status: z.unknown().exactOptional(),
    }),
    toStored: toEveryPort,
    fromStored: (route) => fromEveryPort(route, `specs.smi-spec.io/${version}`, {}),
  })),
];

function toEveryPort(route: Resource): TcpRoute {
  return withContent(route, "specs.smi-spec.io/v1alpha4", { spec: { matches: { ports: [] } } });
}

function fromEveryPort(route: Resource, apiVersion: string, content: Readonly<Record<string, unknown>>): ServedObject {
  const { ports, name } = (route as TcpRoute).spec.matches;
  if (ports.length > 0) return { loss: `its ports (${ports.join(", ")}): without them it would mean every port` };
  if (name !== undefined) return { loss: `spec.matches.name (${JSON.stringify(name)})` };
  return { object: withContent(route, apiVersion, content), loss: null };
}
