import type { AnyFieldDoc, AnyFieldDocs } from "./field-docs.ts";
import { HTTP_ROUTE_GROUP_DOCS, TRAFFIC_SPLIT_DOCS, TRAFFIC_TARGET_DOCS } from "./smi-docs.ts";

const GROUP_FIELDS = insideOf(HTTP_ROUTE_GROUP_DOCS.fields.spec);
const SPLIT_FIELDS = insideOf(TRAFFIC_SPLIT_DOCS.fields.spec);
const TARGET_FIELDS = insideOf(TRAFFIC_TARGET_DOCS.fields.spec);

const PLAIN_SPLIT: AnyFieldDocs = without(SPLIT_FIELDS, "matches");

const DESTINATION: AnyFieldDoc = withField(
  TARGET_FIELDS["destination"],
  "port",
  "The one port that may be called, of the Service or of the workload. Left out: every port.",
);

/** Fields of older versions that are other ones than the stored version's, by "<kind>.<version>". */
export const OLDER_FIELDS: ReadonlyMap<string, AnyFieldDocs> = new Map<string, AnyFieldDocs>([
  ["HTTPRouteGroup.v1alpha2", GROUP_FIELDS],
  ["HTTPRouteGroup.v1alpha1", { matches: withoutField(GROUP_FIELDS["matches"], "headers") }],
  ["TCPRoute.v1alpha3", { spec: "Nothing: every port is meant." }],
  ["TCPRoute.v1alpha2", {}],
  ["TCPRoute.v1alpha1", {}],
  ["TrafficSplit.v1alpha2", { spec: ["What is split, and how.", PLAIN_SPLIT] }],
  [
    "TrafficSplit.v1alpha1",
    {
      spec: [
        "What is split, and how.",
        {
          ...PLAIN_SPLIT,
          backends: withField(
            PLAIN_SPLIT["backends"],
            "weight",
            "Its share, relative to the other weights: a quantity, e.g. 1 or 500m; 0 = nothing.",
          ),
        },
      ],
    },
  ],
  [
    "TrafficTarget.v1alpha2",
    { spec: ["Who may call whom, and with what.", { ...TARGET_FIELDS, destination: DESTINATION }] },
  ],
  [
    "TrafficTarget.v1alpha1",
    {
      destination: DESTINATION,
      specs: TARGET_FIELDS["rules"] ?? "",
      sources: TARGET_FIELDS["sources"] ?? "",
    },
  ],
]);

function insideOf(doc: AnyFieldDoc): AnyFieldDocs {
  return typeof doc === "string" ? {} : doc[1];
}

function without(fields: AnyFieldDocs, name: string): AnyFieldDocs {
  return Object.fromEntries(Object.entries(fields).filter(([field]) => field !== name));
}

function withoutField(doc: AnyFieldDoc | undefined, name: string): AnyFieldDoc {
  return doc === undefined || typeof doc === "string" ? "" : [doc[0], without(doc[1], name)];
}

function withField(doc: AnyFieldDoc | undefined, name: string, text: string): AnyFieldDoc {
  return doc === undefined || typeof doc === "string" ? "" : [doc[0], { ...doc[1], [name]: text }];
}
