// SMI TrafficMetrics on real processes: M1 to M14 of the behaviours that docs/smi.md lists.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { before, test } from "node:test";
import { promisify } from "node:util";
import { formatKubeconfigPath, readApiAccess } from "../../../src/apiserver/api-access.ts";
import { findProgram } from "../needs.ts";
import { waitUntil } from "../wait-until.ts";
import { type Lab, openAll, service, split } from "./lab.ts";

const ROOT = "/apis/metrics.smi-spec.io/v1alpha1";
const MANY = "t=10m";
/** What app-a asks of app-b, and of app-c. */
const CALLS = { "app-b": 7, "app-c": 3 } as const;
const KUBECTL = findProgram("kubectl");
const run = promisify(execFile);

interface Item {
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly window: string;
  readonly edge: {
    readonly direction: string;
    readonly side: string;
    readonly resource: { readonly kind: string; readonly name: string } | null;
  };
  readonly backend?: { readonly apex: string; readonly name: string; readonly weight: number };
  readonly metrics: readonly { readonly name: string; readonly unit?: string; readonly value: string }[];
}

interface List {
  readonly items: readonly Item[];
}

export function describeMetrics(running: () => Lab): void {
  const read = async <T>(path: string): Promise<T> => (await running().raw(`${ROOT}${path}`)) as T;

  before(async () => {
    const lab = running();
    await lab.apply(...openAll("app-a"), split("canary", "root", "app-b=7 app-c=3"), {
      ...service("labelled", [{ port: 1 }]),
      metadata: { name: "labelled", labels: { tier: "back" } },
    });
    for (const [app, count] of Object.entries(CALLS))
      for (let done = 0; done < count; done += 1) await lab.allows("app-a", { to: `${app}:9091` });
    // Each proxy reports every second: both sides have to.
    for (const [app, count] of Object.entries(CALLS)) {
      for (const path of [`services/${app}`, `pods/${app}-0`]) {
        await waitUntil(`the traffic of ${path} is reported`, async () => {
          const [success] = countsOf(await read(`/namespaces/default/${path}?${MANY}`));
          return success === String(count);
        });
      }
    }
  });

  test("M1: discovery names the group and all of its kinds", async () => {
    const { groups } = (await running().raw("/apis")) as { readonly groups: readonly { readonly name: string }[] };
    assert.ok(groups.some(({ name }) => name === "metrics.smi-spec.io"));
    const { resources } = await read<{ readonly resources: readonly { readonly name: string }[] }>("");
    assert.equal(resources.length, 22);
  });

  test("M2: lists of all namespaces and of one", async () => {
    const names = async (path: string): Promise<readonly string[]> =>
      (await read<List>(path)).items.map(({ metadata }) => metadata.name);
    for (const list of ["/services", "/namespaces/default/services", "/namespaces/default/deployments"])
      for (const app of ["app-a", "app-b", "app-c"]) assert.ok((await names(list)).includes(app), list);
    assert.ok((await names("/pods")).includes("app-a-0"));
    assert.deepEqual(await names("/daemonsets"), []);
  });

  test("M3: one service, one instance, one deployment and a namespace", async () => {
    for (const path of ["services/app-b", "pods/app-b-0", "deployments/app-b"])
      assert.deepEqual(countsOf(await read(`/namespaces/default/${path}?${MANY}`)), ["7", "0"], path);
    assert.deepEqual(countsOf(await read(`/namespaces/default?${MANY}`)), ["10", "0"]);
  });

  test("M4: idle is zero, missing is 404", async () => {
    assert.deepEqual(countsOf(await read("/namespaces/default/services/labelled")), ["0", "0"]);
    assert.equal((await ask(running(), "/namespaces/default/services/nobody")).status, 404);
  });

  test("M5: edges to and from", async () => {
    assert.deepEqual(describeEdges(await read(`/namespaces/default/services/app-b/edges?${MANY}`)), [
      "from client Service app-a 7 0",
    ]);
    const sent = describeEdges(await read(`/namespaces/default/pods/app-a-0/edges?${MANY}`));
    assert.ok(sent.includes("to client Service app-b 7 0"), sent.join("; "));
    assert.ok(sent.includes("to client Service app-c 3 0"), sent.join("; "));
  });

  test("M6: the window is asked for, and not longer than what is kept", async () => {
    assert.equal((await read<Item>("/namespaces/default/services/app-b")).window, "30s");
    assert.equal((await read<Item>("/namespaces/default/services/app-b?t=90s")).window, "1m30s");
    assert.equal((await ask(running(), "/namespaces/default/services/app-b?t=11m")).status, 400);
  });

  test("M7, M8: five metrics in their order; latencies in ms above zero", async () => {
    const { metrics } = await read<Item>(`/namespaces/default/services/app-b?${MANY}`);
    assert.deepEqual(
      metrics.map(({ name, unit }) => `${name} ${unit ?? ""}`.trim()),
      [
        ...["p99_response_latency ms", "p90_response_latency ms", "p50_response_latency ms"],
        ...["success_count", "failure_count"],
      ],
    );
    for (const { value } of metrics.slice(0, 3)) assert.match(value, /^[1-9]\d*m?$/);
  });

  test("M9, M10: nothing measured is 0, and a name is no pattern", async () => {
    const idle = await read<Item>("/namespaces/default/services/labelled");
    assert.ok(idle.metrics.every(({ value }) => value === "0"));
    assert.equal((await ask(running(), "/namespaces/default/services/app-.")).status, 404);
  });

  test("M11, M14: nobody without credentials is told anything", async () => {
    for (const path of ["", "/pods", "/namespaces/default/pods/app-a-0/edges"])
      assert.equal((await ask(running(), path, "wrong")).status, 401, path);
  });

  test("M12: a TrafficSplit by its backends", async () => {
    const { items } = await read<List>(`/namespaces/default/trafficsplits/canary?${MANY}`);
    assert.deepEqual(
      items.map((item) => [item.backend, ...countsOf(item)]),
      [
        [{ apex: "root", name: "app-b", weight: 7 }, "7", "0"],
        [{ apex: "root", name: "app-c", weight: 3 }, "3", "0"],
      ],
    );
  });

  test("M13: a label selector chooses objects", async () => {
    const { items } = await read<List>("/services?labelSelector=tier%3Dback");
    assert.deepEqual(
      items.map(({ metadata }) => metadata.name),
      ["labelled"],
    );
  });

  test("weft stat shows the same counts", async () => {
    const { stdout } = await running().mesh.weft(["stat", "-w", "10m", "--outbound", "--to", "app-b", "-o", "json"]);
    const { items } = JSON.parse(stdout) as { readonly items: readonly { readonly requests: number }[] };
    assert.deepEqual(
      items.map(({ requests }) => requests),
      [7],
    );
  });

  test("kubectl get --raw reads it", { skip: KUBECTL.skip }, async () => {
    const kubeconfig = formatKubeconfigPath(running().mesh.home);
    const path = `${ROOT}/namespaces/default/services/app-b?${MANY}`;
    const { stdout } = await run(KUBECTL.path, ["--kubeconfig", kubeconfig, "get", "--raw", path]);
    assert.deepEqual(countsOf(JSON.parse(stdout) as Item), ["7", "0"]);
  });
}

function ask({ mesh }: Lab, path: string, token?: string): Promise<Response> {
  const access = readApiAccess(mesh.home);
  const headers = { authorization: `Bearer ${token ?? access.token}` };
  return fetch(`${access.endpoints.api}${ROOT}${path}`, { headers });
}

function countsOf({ metrics }: Pick<Item, "metrics">): readonly string[] {
  return metrics.slice(3).map(({ value }) => value);
}

/** Without the calls by which the lab waits for its configuration. */
function describeEdges({ items }: List): readonly string[] {
  return items
    .filter(({ edge }) => edge.resource?.name.startsWith("fence-") !== true)
    .map((item) => {
      const { direction, side, resource } = item.edge;
      return `${direction} ${side} ${resource?.kind} ${resource?.name} ${countsOf(item).join(" ")}`;
    });
}
