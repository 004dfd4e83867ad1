import type { ProxyStatus, TrustView } from "../../control/views.ts";
import { formatAge } from "../../lib/format-age.ts";
import { WeftError } from "../../lib/weft-error.ts";
import type { CliContext } from "../context.ts";
import { type OutputFormat, writeValue } from "../output/format.ts";
import { paint } from "../output/style.ts";

/** Something that is wrong. */
export interface Problem {
  /** "<namespace>/<workload>", or what else it is about. */
  readonly subject: string;
  readonly found: string;
  readonly hint: string;
}

/** Certificates are valid from 60 s before they are made. */
const MAX_SKEW_MS = 60_000;
const SOON_MS = 30 * 86_400_000;

export async function verifyIdentities(
  context: CliContext,
  workload: string | null,
  output: OutputFormat,
): Promise<void> {
  const client = await context.openApi();
  try {
    const [trust, all] = [await client.trust(), await client.proxies()];
    const id = workload === null || workload.includes("/") ? workload : `default/${workload}`;
    const proxies = id === null ? all : all.filter((proxy) => proxy.id === id);
    if (id !== null && proxies.length === 0) {
      throw new WeftError(
        "WEFT_API_NOT_FOUND",
        `Cannot verify "${id}": found no such proxy; expected one of the mesh`,
        {
          hint: "All of them: `weft proxy list`",
        },
      );
    }
    const problems = [
      ...(id === null ? findMeshProblems(trust, context.clock.wallMs()) : []),
      ...proxies.flatMap((proxy) => findProblems(proxy, trust)),
    ];
    if (problems.length > 0) context.fail();
    const { stdout } = context;
    if (output !== "table") {
      await writeValue(stdout, output, { proxies: proxies.map((proxy) => proxy.id), problems });
      return;
    }
    for (const { found, hint, subject } of problems) {
      stdout.write(`${paint(stdout, "red", subject)}: ${found}\n  ${hint}\n`);
    }
    const what = `${proxies.length} ${proxies.length === 1 ? "proxy" : "proxies"}`;
    if (problems.length === 0) stdout.write(`${what}: the roots, certificates and their ends are as they should be\n`);
    else stdout.write(`${what} looked at, ${problems.length} ${problems.length === 1 ? "problem" : "problems"}\n`);
  } finally {
    client.close();
  }
}

function findMeshProblems(trust: TrustView, wallMs: number): readonly Problem[] {
  const skewMs = Math.abs(trust.wallMs - wallMs);
  return [
    ...(skewMs > MAX_SKEW_MS
      ? [
          {
            subject: "clocks",
            found: `this machine's and the control plane's are ${formatAge(skewMs)} apart`,
            hint: "Set them: certificates are refused as not yet valid, or as expired",
          },
        ]
      : []),
    ...trust.silent.map((name) => ({
      subject: `control plane ${name}`,
      found: "it does not answer; its proxies are missing here",
      hint: "Look at its log and its connection to the others",
    })),
    ...trust.expiries
      .filter(({ kind, notAfterWallMs }) => kind !== "workload" && notAfterWallMs - trust.wallMs < SOON_MS)
      .map(({ kind, name, notAfterWallMs }) => {
        const leftMs = notAfterWallMs - trust.wallMs;
        const found = leftMs <= 0 ? `it ended ${formatAge(-leftMs)} ago` : `it ends in ${formatAge(leftMs)}`;
        return { subject: `${kind} ${name}`, found, hint: EXPIRY_HINTS[kind] };
      }),
  ];
}

/** What to do before it ends. */
export const EXPIRY_HINTS: Readonly<Record<TrustView["expiries"][number]["kind"], string>> = {
  root: "`weft identity rotate --wait` changes it while everything runs",
  intermediate: "Have a new one made and give it: `weft identity import`",
  "api-certificate": "Replace the files; the control plane reads them again by itself",
  "ingress-certificate": "Put a new certificate into the Secret; no connection is dropped",
  "trust-bundle": "Ask the other mesh for its bundle (`weft identity bundle`) and apply it",
  workload: "Its proxy asks its runner for a new one; look at the logs of both",
};

function findProblems(proxy: ProxyStatus, trust: TrustView): readonly Problem[] {
  const { certificateIssuer = null, certificateNotAfterWallMs: endWallMs = null, connected, hasRoots, id } = proxy;
  const issuer = trust.authorities.find(({ fingerprint }) => fingerprint === certificateIssuer);
  const problems: Problem[] = [];
  const add = (found: string, hint: string): void => {
    problems.push({ subject: id, found, hint });
  };
  if (!connected) {
    const ended = endWallMs !== null && endWallMs <= trust.wallMs;
    add(
      `it is not connected${ended ? ", and its certificate has ended" : ""}`,
      ended || (certificateIssuer !== null && issuer === undefined)
        ? "Start it with `weft up` or `weft run`: its runner has it join anew"
        : "If it should be there: look at its log, and at the connection to the control plane",
    );
    return problems;
  }
  if (hasRoots === false)
    add("it has not acknowledged the mesh's roots as they are now", "Its log says what it refused, if anything");
  if (certificateIssuer === null) add("no certificate of it was seen yet", "Look again; else restart its proxy");
  else if (issuer === undefined) {
    add(
      "its certificate is of an authority that the mesh no longer believes",
      "Its proxy asks its runner for a new one; look at the logs of both",
    );
  } else if (!issuer.isSigning && trust.rotation?.step !== "signing" && trust.rotation?.step !== "adding") {
    add(
      "its certificate is of an authority that no longer signs",
      "It is renewed within half of its life; nothing need be done",
    );
  }
  if (endWallMs !== null && endWallMs <= trust.wallMs) {
    add(`its certificate ended ${formatAge(trust.wallMs - endWallMs)} ago`, EXPIRY_HINTS.workload);
  }
  return problems;
}
