/**
 * How lists and objects of each kind are merged: by server-side apply (`listType`, `mapType`) and by strategic merge
 * patch (`patchStrategy`). Stated here once; OpenAPI publishes the same as `x-kubernetes-…` extensions, from which kubectl
 * works out its patches. What has no rule: a list is atomic (replaced as a whole), an object is merged field by field.
 *
 * A list is a map only where validation refuses two entries with the same keys. Where validation rewrites what was
 * written (lower-cases the names of headers, removes repeats) the value is atomic: an owner of a part could not find it
 * again. So are objects of which at most one field may stand (`sticky`, `redirect`): halves from two writers make no whole.
 */

export interface MergeRule {
  /** Default "atomic". */
  readonly listType?: "map" | "set" | "atomic";
  /** Of listType "map": the fields that tell entries apart. */
  readonly listMapKeys?: readonly string[];
  /** Keys that may be left out, and what they are then. A key neither written nor here is no part of the identity. */
  readonly keyDefaults?: Readonly<Record<string, string | number | boolean>>;
  /** Default "granular". */
  readonly mapType?: "granular" | "atomic";
  /** Of a list in a strategic merge patch. Default "replace". */
  readonly patchStrategy?: "merge" | "replace";
  /** Of patchStrategy "merge", when the entries are objects. */
  readonly patchMergeKey?: string;
}

/** The rule of one place in an object, and the way to the places below. */
export interface MergeNode {
  readonly rule: MergeRule;
  readonly fields: ReadonlyMap<string, MergeNode>;
  /** The entries of a list. */
  readonly item: MergeNode | null;
}

/** What names a kind here; a KindDefinition will do. */
export interface MergeKind {
  /** "" for the core group. */
  readonly group: string;
  readonly kind: string;
  /** Set: in this version what else stands under `spec` stands at the top. */
  readonly topFields?: Readonly<Record<string, string>>;
}

/** By path: fields joined by ".", `[]` for the entries of a list. */
type MergeRules = Readonly<Record<string, MergeRule>>;

const NO_RULE: MergeRule = {};
const ATOMIC_MAP: MergeRule = { mapType: "atomic" };
const byName: MergeRule = keyedBy("name");
const conditions: MergeRule = keyedBy("type");

const META_RULES: MergeRules = {
  "metadata.finalizers": { listType: "set", patchStrategy: "merge" },
  "metadata.ownerReferences": keyedBy("uid"),
  "metadata.ownerReferences[]": ATOMIC_MAP,
  "status.conditions": conditions,
};

/** By "<group>/<kind>". Those of Kubernetes' own kinds are Kubernetes' own. */
const RULES: ReadonlyMap<string, MergeRules> = new Map([
  [
    "/Service",
    {
      "spec.ports": {
        listType: "map",
        listMapKeys: ["port", "protocol"],
        keyDefaults: { protocol: "TCP" },
        patchStrategy: "merge",
        patchMergeKey: "port",
      },
      "spec.selector": ATOMIC_MAP,
    },
  ],
  ["/ServiceAccount", { secrets: byName, imagePullSecrets: { patchStrategy: "merge", patchMergeKey: "name" } }],
  ["specs.smi-spec.io/HTTPRouteGroup", { "spec.matches": byName, "spec.matches[].headers": ATOMIC_MAP }],
  ["split.smi-spec.io/TrafficSplit", { "spec.backends": keyedBy("service") }],
  [
    "weft.dev/TrafficPolicy",
    {
      "spec.targetRef": ATOMIC_MAP,
      "spec.sticky": ATOMIC_MAP,
      "spec.rateLimits": byName,
      "spec.rateLimits[].overrides": keyedBy("caller"),
      "spec.faults": byName,
      "spec.requestHeaders.set": ATOMIC_MAP,
      "spec.requestHeaders.add": ATOMIC_MAP,
      "spec.responseHeaders.set": ATOMIC_MAP,
      "spec.responseHeaders.add": ATOMIC_MAP,
      "spec.redirect": ATOMIC_MAP,
      "spec.rewrite": ATOMIC_MAP,
    },
  ],
  [
    "weft.dev/User",
    {
      "spec.namespaces": { listType: "set", patchStrategy: "merge" },
      "spec.tokens": keyedBy("sha256"),
      "spec.certificates": keyedBy("sha256"),
    },
  ],
]);

interface BuiltNode extends MergeNode {
  rule: MergeRule;
  readonly fields: Map<string, BuiltNode>;
  item: BuiltNode | null;
}

/** Where no rule stands, nor any below. */
const DEFAULT_NODE: MergeNode = { rule: NO_RULE, fields: new Map(), item: null };
const META_TREE: MergeNode = toTree(META_RULES);
const TREES: ReadonlyMap<string, MergeNode> = new Map(
  [...RULES].flatMap(([name, rules]) => [
    [name, toTree({ ...META_RULES, ...rules })],
    [`${name} flat`, toTree({ ...META_RULES, ...flatten(rules) })],
  ]),
);

/** Of the whole object. A kind without rules of its own has those of its metadata. */
export function findMergeTree(kind: MergeKind): MergeNode {
  return TREES.get(`${kind.group}/${kind.kind}${kind.topFields !== undefined ? " flat" : ""}`) ?? META_TREE;
}

/** All rules of a kind by path (`spec.ports`, `spec.rateLimits[].overrides`), those of metadata and status included. */
export function listMergeRules(kind: MergeKind): ReadonlyMap<string, MergeRule> {
  const rules = RULES.get(`${kind.group}/${kind.kind}`) ?? {};
  return new Map(Object.entries({ ...META_RULES, ...(kind.topFields !== undefined ? flatten(rules) : rules) }));
}

function flatten(rules: MergeRules): MergeRules {
  return Object.fromEntries(Object.entries(rules).map(([path, rule]) => [path.replace(/^spec\./, ""), rule]));
}

export function fieldNode(node: MergeNode, field: string): MergeNode {
  return node.fields.get(field) ?? DEFAULT_NODE;
}

export function itemNode(node: MergeNode): MergeNode {
  return node.item ?? DEFAULT_NODE;
}

function keyedBy(key: string): MergeRule {
  return { listType: "map", listMapKeys: [key], patchStrategy: "merge", patchMergeKey: key };
}

function toTree(rules: MergeRules): MergeNode {
  const root = createNode();
  for (const [path, rule] of Object.entries(rules)) {
    let node = root;
    for (const step of path.split(".")) {
      const isItem = step.endsWith("[]");
      node = childOf(node, isItem ? step.slice(0, -2) : step);
      if (isItem) node = node.item ??= createNode();
    }
    node.rule = rule;
  }
  return root;
}

function childOf(node: BuiltNode, field: string): BuiltNode {
  const found = node.fields.get(field);
  if (found !== undefined) return found;
  const created = createNode();
  node.fields.set(field, created);
  return created;
}

function createNode(): BuiltNode {
  return { rule: NO_RULE, fields: new Map(), item: null };
}
