import assert from "node:assert/strict";
import { test } from "node:test";
import { type EdgeLabels, EdgeTable } from "../../observe/edge-stats.ts";
import { ProxyCounters } from "../counters.ts";
import { CountsReader, CountsWriter } from "./counts-delta.ts";

const LABELS: EdgeLabels = {
  direction: "outbound",
  source: "shop/web",
  destination: "shop/reviews",
  version: "v1",
  protocol: "http",
};

function createParty(): { readonly edges: EdgeTable; readonly counters: ProxyCounters } {
  return { edges: new EdgeTable(8), counters: new ProxyCounters() };
}

test("CountsWriter adds up what several workers counted, each thing once", () => {
  const main = createParty();
  const workers = [createParty(), createParty()].map((party) => ({
    ...party,
    reader: new CountsReader(party.edges, party.counters),
    writer: new CountsWriter(main.edges, main.counters),
  }));
  for (let round = 0; round < 3; round += 1) {
    for (const { edges, counters, reader, writer } of workers) {
      edges.edge(LABELS).record(200, 0, 5);
      edges.edge(LABELS).record(503, 3, 700);
      edges.edge(LABELS).requestBytes += 10;
      counters.retries += 2;
      writer.add(reader.take());
      // Nothing new in it.
      writer.add(reader.take());
    }
  }
  const sum = main.edges.edge(LABELS);
  assert.deepEqual([sum.success, sum.failure, sum.changes, sum.requestBytes], [6, 6, 12, 60]);
  assert.deepEqual([sum.classes[2], sum.classes[5], sum.failures[3]], [6, 6, 6]);
  assert.equal(sum.latencySumMs, 6 * 705);
  assert.equal(
    sum.latency.reduce((total, count) => total + count, 0),
    12,
  );
  assert.equal(main.counters.retries, 12);
});

test("CountsWriter.end() takes back what a worker held open, and keeps what it counted", () => {
  const main = createParty();
  const party = createParty();
  const writer = new CountsWriter(main.edges, main.counters);
  party.counters.upstreamOpen = 4;
  party.counters.upstreamTotal = 9;
  party.counters.activeExchanges = 2;
  writer.add(new CountsReader(party.edges, party.counters).take());
  assert.deepEqual([main.counters.upstreamOpen, main.counters.activeExchanges], [4, 2]);
  writer.end();
  assert.deepEqual([main.counters.upstreamOpen, main.counters.activeExchanges], [0, 0]);
  assert.equal(main.counters.upstreamTotal, 9);
});
