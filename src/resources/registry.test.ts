import assert from "node:assert/strict";
import { test } from "node:test";
import { findCliName, findKind, findPlural, formatApiVersion, KINDS, parseGroup } from "./registry.ts";

test("KINDS can be told apart by kind, plural and everything people type", () => {
  const words = KINDS.flatMap((kind) => [kind.plural, kind.singular, ...kind.shortNames]);
  assert.equal(new Set(words).size, words.length);
  assert.equal(new Set(KINDS.map((kind) => kind.kind)).size, KINDS.length);
});

test("findKind() and findPlural() find each kind in its own version only", () => {
  for (const definition of KINDS) {
    const { group, version, kind, plural } = definition;
    assert.equal(findKind(formatApiVersion(group, version), kind), definition);
    assert.equal(findPlural(group, version, plural), definition);
    assert.equal(findKind(formatApiVersion(group, "v9"), kind), null);
    assert.equal(findPlural(group, "v9", plural), null);
    assert.equal(parseGroup(formatApiVersion(group, version)), group);
  }
});

test("findCliName() takes plural, singular, short name and kind in any case, with a group", () => {
  for (const name of ["ts", "trafficsplit", "trafficsplits", "TrafficSplit", "trafficsplits.split.smi-spec.io"]) {
    assert.equal(findCliName(name)?.kind, "TrafficSplit", name);
  }
  assert.deepEqual(
    ["tt", "htr", "tr", "svc", "sa", "mesh", "endpointslices"].map((name) => findCliName(name)?.kind),
    ["TrafficTarget", "HTTPRouteGroup", "TCPRoute", "Service", "ServiceAccount", "Mesh", "EndpointSlice"],
  );
  for (const name of ["", "pods", "trafficsplits.example.com", "."]) assert.equal(findCliName(name), null, name);
});
