import { z } from "zod";
import {
  headerlessMatchesSchema,
  type HttpMatch,
  httpMatchesSchema,
  type HttpRouteGroup,
  httpRouteGroupSpecSchema,
} from "../http-route-group.ts";
import { readHeaderPatterns } from "../header-patterns.ts";
import { type KindVersion, withContent } from "../kind-version.ts";
import type { Resource } from "../resource.ts";
import { strictObject } from "../strict-object.ts";
import { type OlderFrame, olderMetadata, olderObjectSchema } from "./older-object.ts";

const STORED = "specs.smi-spec.io/v1alpha4";

/** Its matches stand at the top. */
type FlatGroup = OlderFrame & { readonly matches: unknown };

/** v1alpha3 is v1alpha4 by another name; before it there was no `spec`, and before v1alpha2 no headers. */
export const HTTP_ROUTE_GROUP_VERSIONS: readonly KindVersion[] = [
  {
    version: "v1alpha3",
    schema: olderObjectSchema("specs.smi-spec.io/v1alpha3", "HTTPRouteGroup", httpRouteGroupSpecSchema),
    toStored: (group) => withContent<HttpRouteGroup>(group, STORED, { spec: group.spec }),
    fromStored: (group) => ({
      object: withContent(group, "specs.smi-spec.io/v1alpha3", { spec: group.spec }),
      loss: null,
    }),
  },
  {
    version: "v1alpha2",
    schema: flatSchema("specs.smi-spec.io/v1alpha2", httpMatchesSchema),
    topFields: { matches: "matches" },
    toStored: (group) => withContent<HttpRouteGroup>(group, STORED, { spec: { matches: group["matches"] } }),
    fromStored: (group) => ({
      object: withContent(group, "specs.smi-spec.io/v1alpha2", { matches: matchesOf(group) }),
      loss: null,
    }),
  },
  {
    version: "v1alpha1",
    schema: flatSchema("specs.smi-spec.io/v1alpha1", headerlessMatchesSchema),
    topFields: { matches: "matches" },
    toStored(group) {
      const matches = group["matches"] as readonly HttpMatch[];
      return withContent<HttpRouteGroup>(group, STORED, {
        spec: { matches: matches.map((match) => ({ ...match, headers: {} })) },
      });
    },
    fromStored(group) {
      const limited = matchesOf(group).filter((match) => readHeaderPatterns(match.headers).size > 0);
      if (limited.length > 0) {
        const names = limited.map(({ name }) => name).join(", ");
        return { loss: `the headers of ${names}: without them it would mean more requests` };
      }
      const matches = matchesOf(group).map(({ headers: _headers, ...match }) => match);
      return { object: withContent(group, "specs.smi-spec.io/v1alpha1", { matches }), loss: null };
    },
  },
];

function flatSchema(apiVersion: string, matches: z.ZodType): z.ZodType<FlatGroup> {
  return strictObject<FlatGroup>({
    apiVersion: z.literal(apiVersion),
    kind: z.literal("HTTPRouteGroup"),
    metadata: olderMetadata,
    matches,
    status: z.unknown().exactOptional(),
  });
}

function matchesOf(group: Resource): readonly HttpMatch[] {
  return (group as HttpRouteGroup).spec.matches;
}
