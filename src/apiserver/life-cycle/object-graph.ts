import type { OwnerReference, Resource } from "../../resources/resource.ts";
import { encodeKey, toResourceKey } from "../../store/store-key.ts";
import type { ResourceKey, WatchEvent } from "../../store/store.ts";
import { isNamespace, namespaceKey } from "./namespaces.ts";

interface Node {
  readonly key: ResourceKey;
  readonly uid: string;
  readonly owners: readonly OwnerReference[];
}

/**
 * Who owns whom, and which namespaces have something in them: as far as the store's events were seen. As large as the
 * store. It says whom to look at; what is done is decided by what the store holds then.
 */
export class ObjectGraph {
  readonly #nodes: Map<string, Node> = new Map();
  readonly #idByUid: Map<string, string> = new Map();
  readonly #dependents: Map<string, Set<string>> = new Map();
  readonly #members: Map<string, Set<string>> = new Map();
  /** By name; true: it takes new resources. */
  readonly #namespaces: Map<string, boolean> = new Map();

  /** Takes an event in; returns whom it concerns. */
  see({ type, resource }: WatchEvent): readonly ResourceKey[] {
    const key = toResourceKey(resource);
    const id = encodeKey(key);
    const before = this.#nodes.get(id);
    if (before !== undefined) this.#remove(id, before);
    if (type !== "DELETED") {
      this.#add(id, resource, key);
      return this.#concernedByWrite(resource, key, before);
    }
    return this.#concernedByDeletion(resource, key);
  }

  dependentsOf(uid: string): readonly ResourceKey[] {
    return this.#toKeys(this.#dependents.get(uid));
  }

  hasMembers(namespace: string): boolean {
    return this.#members.has(namespace);
  }

  #concernedByWrite(resource: Resource, key: ResourceKey, before: Node | undefined): readonly ResourceKey[] {
    const { deletionTimestamp, ownerReferences, namespace, uid = "" } = resource.metadata;
    const concerned: ResourceKey[] = [];
    if (ownerReferences !== undefined || deletionTimestamp !== undefined) concerned.push(key);
    if (deletionTimestamp !== undefined) concerned.push(...this.dependentsOf(uid));
    // One of the same name with another uid came in its place, or an owner was taken off.
    for (const owner of before?.owners ?? []) concerned.push(...this.#ownerKey(owner.uid));
    if (namespace !== "" && this.#namespaces.get(namespace) !== true) concerned.push(namespaceKey(namespace));
    return concerned;
  }

  #concernedByDeletion(resource: Resource, key: ResourceKey): readonly ResourceKey[] {
    const { namespace, ownerReferences = [], uid = "" } = resource.metadata;
    const concerned = [...this.dependentsOf(uid), ...ownerReferences.flatMap((owner) => this.#ownerKey(owner.uid))];
    if (namespace !== "" && this.#namespaces.get(namespace) === false) concerned.push(namespaceKey(namespace));
    // Something was put into it when it went: then it is needed again.
    if (isNamespace(resource) && this.hasMembers(key.name)) concerned.push(key);
    return concerned;
  }

  #add(id: string, resource: Resource, key: ResourceKey): void {
    const { metadata } = resource;
    const node: Node = { key, uid: metadata.uid ?? "", owners: metadata.ownerReferences ?? [] };
    this.#nodes.set(id, node);
    this.#idByUid.set(node.uid, id);
    for (const owner of node.owners) addTo(this.#dependents, owner.uid, id);
    if (metadata.namespace !== "") addTo(this.#members, metadata.namespace, id);
    if (isNamespace(resource)) this.#namespaces.set(metadata.name, metadata.deletionTimestamp === undefined);
  }

  #remove(id: string, { key, uid, owners }: Node): void {
    this.#nodes.delete(id);
    this.#idByUid.delete(uid);
    for (const owner of owners) removeFrom(this.#dependents, owner.uid, id);
    removeFrom(this.#members, key.namespace, id);
    if (key.group === "" && key.kind === "Namespace") this.#namespaces.delete(key.name);
  }

  #ownerKey(uid: string): readonly ResourceKey[] {
    const node = this.#nodes.get(this.#idByUid.get(uid) ?? "");
    return node === undefined ? [] : [node.key];
  }

  #toKeys(ids: ReadonlySet<string> | undefined): readonly ResourceKey[] {
    return [...(ids ?? [])].flatMap((id) => {
      const node = this.#nodes.get(id);
      return node === undefined ? [] : [node.key];
    });
  }
}

function addTo(sets: Map<string, Set<string>>, name: string, id: string): void {
  const set = sets.get(name);
  if (set === undefined) sets.set(name, new Set([id]));
  else set.add(id);
}

function removeFrom(sets: Map<string, Set<string>>, name: string, id: string): void {
  const set = sets.get(name);
  if (set === undefined) return;
  set.delete(id);
  if (set.size === 0) sets.delete(name);
}
