import { encodePeerRules } from "../xds/peer-rules-secret.ts";
import type { PeerRules } from "../xds/peer-rules-secret.ts";
import { PEER_RULES_SECRET, SECRET_TYPE } from "../xds/names.ts";
import { type ChangeScope, CONCERNS_ALL, type ConfigSource, type ProxyNode, type ProxyView } from "./config-source.ts";
import { NO_RESOURCES } from "./layered-resources.ts";
import { encodeResource } from "./translate/encode-resource.ts";

/** A config source with one secret more: whom every proxy must refuse, and which other trust domains it may believe. */
export interface SourceWithPeerRules extends ConfigSource {
  /** Listeners are called; to be called with other rules than before only. */
  setPeerRules(rules: PeerRules): void;
}

export function addPeerRules(source: ConfigSource): SourceWithPeerRules {
  return new PeerRulesSource(source);
}

class PeerRulesSource implements SourceWithPeerRules {
  readonly #source: ConfigSource;
  readonly #listeners: Set<(concerns: ChangeScope) => void> = new Set();
  #rules: PeerRules | null = null;
  /** The same view of the source gives the same object, as long as the rules are the same. */
  #views: WeakMap<ProxyView, ProxyView> = new WeakMap();

  constructor(source: ConfigSource) {
    this.#source = source;
  }

  setPeerRules(rules: PeerRules): void {
    this.#rules = rules;
    this.#views = new WeakMap();
    for (const listener of this.#listeners) listener(CONCERNS_ALL);
  }

  viewFor(node: ProxyNode): ProxyView {
    const view = this.#source.viewFor(node);
    if (this.#rules === null) return view;
    const known = this.#views.get(view);
    if (known !== undefined) return known;
    const resource = encodeResource(SECRET_TYPE, PEER_RULES_SECRET, encodePeerRules(PEER_RULES_SECRET, this.#rules));
    // Secrets are a handful, the same for all.
    const secrets = new Map([...(view.get(SECRET_TYPE) ?? NO_RESOURCES), [resource.name, resource] as const]);
    const made: ProxyView = new Map([...view, [SECRET_TYPE, secrets] as const]);
    this.#views.set(view, made);
    return made;
  }

  onChange(listener: (concerns: ChangeScope) => void): () => void {
    const entry = (concerns: ChangeScope): void => listener(concerns);
    this.#listeners.add(entry);
    const stop = this.#source.onChange(entry);
    return () => {
      this.#listeners.delete(entry);
      stop();
    };
  }
}
