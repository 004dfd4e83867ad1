import assert from "node:assert/strict";
import { test } from "node:test";
import { type Draft, group, type Lab, target } from "./lab.ts";

const B = "app-b:9091";

export function describeDestinationPorts(running: () => Lab): void {
  for (const version of ["v1alpha1", "v1alpha2"]) {
    test(`A30: the port of a ${version} target is the only one that it opens, and is read back`, async () => {
      const lab = running();
      const write = (port: number): Promise<void> => {
        const rules = `[{ kind: HTTPRouteGroup, name: any }]`;
        const parts = `destination: { kind: ServiceAccount, name: app-b, port: ${port} }, sources: [{ kind: ServiceAccount, name: app-a }]`;
        const content = version === "v1alpha1" ? `${parts}, specs: ${rules}` : `spec: { ${parts}, rules: ${rules} }`;
        return lab.applyVersions(
          `{ apiVersion: access.smi-spec.io/${version}, kind: TrafficTarget, metadata: { name: old }, ${content} }`,
          [target("old", { to: "app-b", from: ["app-a"], rules: ["http:any"] })],
        );
      };
      await lab.apply(group("any", [{ pathRegex: ".*" }]));
      await write(9091);
      await lab.allows("app-a", { to: B });
      await write(9092);
      await lab.denies("app-a", { to: B });
      const path = (each: string): string => `/apis/access.smi-spec.io/${each}/namespaces/default/traffictargets/old`;
      const found = (await lab.raw(path(version))) as Draft & { readonly spec?: Draft };
      const { destination } = (found.spec ?? found) as { readonly destination?: { readonly port?: number } };
      assert.equal(destination?.port, 9092);
      const newest = (await lab.raw(path("v1alpha4"))) as { metadata: { annotations?: Record<string, string> } };
      assert.equal(newest.metadata.annotations?.["weft.dev/destination-port"], "9092");
    });
  }
}
