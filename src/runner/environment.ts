/** The one file that reads the process environment, and what weft's own child processes get of it. */

export type Environment = Readonly<Record<string, string | undefined>>;

export function readEnvironment(): Environment {
  return { ...process.env };
}

/**
 * For the control plane and the proxies: the user's environment without what could lead their own connections astray
 * (`http_proxy` and its kin: gRPC would take the control plane's address through it) or change how they run
 * (`NODE_OPTIONS`, and `WEFT_…` of a mesh that this process runs in). `compileCache` is a folder in which Node 22 and
 * later keep compiled code, so that the next start is faster.
 */
export function createOwnProcessEnvironment(environment: Environment, compileCache: string): Environment {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (
      value === undefined ||
      name === "NODE_OPTIONS" ||
      name.startsWith("WEFT_") ||
      /^(https?|all|grpc|no(_grpc)?)_proxy$/i.test(name)
    )
      continue;
    kept[name] = value;
  }
  return { ...kept, NODE_COMPILE_CACHE: compileCache };
}
