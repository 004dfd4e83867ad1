import { type ApiAnswer, type ApiCall, type ApiRoute, json } from "./api-route.ts";
import {
  createAggregatedDiscovery,
  createApiVersions,
  createGroup,
  createGroupList,
  createResourceList,
  listGroups,
  listVersions,
} from "./discovery-documents.ts";
import { chooseMedia, formatMedia, type Media, OBJECT_MEDIA } from "./negotiation.ts";
import { createJsonDocument, sendDocument } from "./send-document.ts";

/** The newer first: clients name both. */
const AGGREGATED_MEDIA: readonly Media[] = [
  ...OBJECT_MEDIA,
  ...["v2", "v2beta1"].map((version) => ({
    type: "application/json",
    as: { kind: "APIGroupDiscoveryList", group: "apidiscovery.k8s.io", version },
  })),
];

/**
 * kubectl reads the list when it meets a kind that discovery does not have, and then says that there is no such kind; from
 * a 404 it would conclude that it cannot check the file.
 */
const NO_DEFINITIONS = {
  kind: "CustomResourceDefinitionList",
  apiVersion: "apiextensions.k8s.io/v1",
  metadata: { resourceVersion: "1" },
  items: [],
};

/** What kinds there are, as Kubernetes clients ask for it: /api, /apis, /api/v1, /apis/{group}/{version}, /version. */
export function createDiscoveryRoutes(weftVersion: string): readonly ApiRoute[] {
  return [
    aggregatedRoute("/api", createApiVersions(), [""]),
    aggregatedRoute("/apis", createGroupList(), listGroups()),
    route("/version", toVersion(weftVersion)),
    route("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", NO_DEFINITIONS),
    ...listGroups().map((group) => route(`/apis/${group}`, createGroup(group))),
    ...["", ...listGroups()].flatMap((group) =>
      listVersions(group).map((version) =>
        route(group === "" ? `/api/${version}` : `/apis/${group}/${version}`, createResourceList(group, version)),
      ),
    ),
  ];
}

function route(path: string, body: object): ApiRoute {
  const document = createJsonDocument(body);
  return {
    method: "GET",
    path,
    access: "authenticated",
    answer: (call) => (isYaml(call, OBJECT_MEDIA) ? json(body) : sendDocument(call, document)),
  };
}

/** Plain, or with all that is below it in one answer. */
function aggregatedRoute(path: string, body: object, groups: readonly string[]): ApiRoute {
  const documents = new Map(
    AGGREGATED_MEDIA.map((media) => {
      const content = media.as === null ? body : createAggregatedDiscovery(groups, media.as.version);
      // Clients tell the two apart by the type of the answer.
      return [formatMedia(media), createJsonDocument(content, formatMedia(media))];
    }),
  );
  return {
    method: "GET",
    path,
    access: "authenticated",
    produces: AGGREGATED_MEDIA,
    answer(call): ApiAnswer {
      const document = documents.get(formatMedia(chooseMedia(call.headers.accept, AGGREGATED_MEDIA)));
      return document === undefined || isYaml(call, AGGREGATED_MEDIA) ? json(body) : sendDocument(call, document);
    },
  };
}

function isYaml(call: ApiCall, offers: readonly Media[]): boolean {
  return chooseMedia(call.headers.accept, offers).type === "application/yaml";
}

/** The Kubernetes version whose API conventions this server follows, with weft's own behind it. */
function toVersion(weftVersion: string): object {
  return {
    major: "1",
    minor: "33",
    gitVersion: `v1.33.0+weft-${weftVersion}`,
    platform: `${process.platform}/${process.arch}`,
  };
}
