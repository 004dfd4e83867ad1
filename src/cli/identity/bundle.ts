import { formatSpiffeBundle } from "../../identity/spiffe-bundle.ts";
import { WeftError } from "../../lib/weft-error.ts";
import type { CliContext } from "../context.ts";
import { writeValue } from "../output/format.ts";
import type { BundleFormat } from "./bundle-command.ts";

export async function printBundle(context: CliContext, format: BundleFormat): Promise<void> {
  const client = await context.openApi();
  try {
    const { trustBundlePem: bundle, trustDomain } = await client.mesh();
    if (bundle === undefined) {
      throw new WeftError("WEFT_API_FAILED", "Cannot print the bundle: found a control plane that does not tell it", {
        hint: "Use the same version of weft as the mesh",
      });
    }
    if (format === "pem") context.stdout.write(`${bundle.trim()}\n`);
    else if (format === "spiffe") await writeValue(context.stdout, "json", formatSpiffeBundle(bundle));
    else {
      const metadata = { name: trustDomain.toLowerCase().replaceAll("_", "-") };
      const spec = { trustDomain, bundle };
      await writeValue(context.stdout, "yaml", {
        apiVersion: "weft.dev/v1alpha1",
        kind: "TrustBundle",
        metadata,
        spec,
      });
    }
  } finally {
    client.close();
  }
}
