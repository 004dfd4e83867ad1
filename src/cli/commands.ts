import type { RegisterCommand } from "./context.ts";

/** Every command, in the order of `weft --help`. A file is imported only when its command (or the help of all) is asked for. */
export const COMMANDS: Readonly<Record<string, () => Promise<RegisterCommand>>> = {
  up: async () => (await import("./up.ts")).registerUpCommand,
  run: async () => (await import("./run.ts")).registerRunCommand,
  "control-plane": async () => (await import("./control-plane.ts")).registerControlPlaneCommand,
  apply: async () => (await import("./apply.ts")).registerApplyCommand,
  get: async () => (await import("./get.ts")).registerGetCommand,
  describe: async () => (await import("./describe.ts")).registerDescribeCommand,
  delete: async () => (await import("./delete.ts")).registerDeleteCommand,
  identity: async () => (await import("./identity.ts")).registerIdentityCommand,
  user: async () => (await import("./user.ts")).registerUserCommand,
  check: async () => (await import("./check.ts")).registerCheckCommand,
  stat: async () => (await import("./stat.ts")).registerStatCommand,
  authz: async () => (await import("./authz.ts")).registerAuthzCommand,
  proxy: async () => (await import("./proxy.ts")).registerProxyCommand,
  store: async () => (await import("./store.ts")).registerStoreCommand,
  version: async () => (await import("./version.ts")).registerVersionCommand,
  completion: async () => (await import("./completion.ts")).registerCompletionCommand,
};
