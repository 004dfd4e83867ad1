import type { Command } from "commander";
import type { ApiClient } from "../apiserver/api-client.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { Resource } from "../resources/resource.ts";
import type { ImportResult } from "../store/export/import-into-store.ts";
import type { CliContext } from "./context.ts";
import type { EtcdChoice, OpenedStore } from "./open-store.ts";

const EXAMPLES = `
Examples:
  $ weft store export mesh.jsonl
  $ weft store import mesh.jsonl
`;

const EXPORT_EXAMPLES = `
Examples:
  $ weft store export mesh.jsonl            the mesh of this home, running or not
  $ weft store export --etcd https://10.0.0.1:2379,https://10.0.0.2:2379 --mesh shop mesh.jsonl
`;

const IMPORT_EXAMPLES = `
Examples:
  $ weft store import mesh.jsonl
  $ weft store import --replace mesh.jsonl  the mesh becomes what the file says
  $ weft store import --etcd 127.0.0.1:2379 --mesh shop mesh.jsonl
`;

const BACKUP_EXAMPLES = `
Examples:
  $ weft store backup /backup/shop-monday   the folder is made; to restore, see docs/store.md
`;

interface StoreOptions extends Partial<EtcdChoice> {
  readonly replace?: boolean;
}

/** Where resources come from or go to: a store that is open, or a control plane that runs. */
type Place =
  | { readonly kind: "store"; readonly opened: OpenedStore }
  | { readonly kind: "api"; readonly client: ApiClient };

export function registerStoreCommand(program: Command, context: CliContext): void {
  const store = program
    .command("store")
    .summary("move all resources of a mesh from one store to another")
    .description("Writes all resources of a mesh to a file, and reads them back into another store.")
    .addHelpText("after", EXAMPLES);
  const exporting = store
    .command("export")
    .summary("write all resources to a file")
    .description(
      "Writes all resources of the mesh, with their uids, as JSON lines. The authority's key, join credentials and tokens are no resources and are not in it.",
    )
    .argument("[file]", "made readable by its owner alone; left out or -: standard output")
    .addHelpText("after", EXPORT_EXAMPLES);
  addEtcdOptions(exporting).action((file: string | undefined, options: StoreOptions) =>
    exportMesh(context, file ?? "-", options),
  );
  const importing = store
    .command("import")
    .summary("read all resources from a file")
    .description(
      "Writes the resources of an export into a mesh. Everything is checked first. What is there already and differs refuses the import, unless --replace is given. uids are kept when the control plane does not run, and on etcd.",
    )
    .argument("<file>", "what `weft store export` wrote; - for standard input")
    .option("--replace", "change what differs, and delete what the file does not have")
    .addHelpText("after", IMPORT_EXAMPLES);
  registerBackup(store, context);
  addEtcdOptions(importing).action((file: string, options: StoreOptions) => importMesh(context, file, options));
}

function registerBackup(store: Command, context: CliContext): void {
  store
    .command("backup")
    .summary("copy the home's store while it is in use")
    .description(
      "Copies the store of this home, as of one moment, also while its control plane runs. For etcd: etcdctl snapshot save.",
    )
    .argument("<folder>", "new or empty")
    .addHelpText("after", BACKUP_EXAMPLES)
    .action((folder: string) => backUp(context, folder));
}

async function backUp(context: CliContext, folder: string): Promise<void> {
  const [{ backUpLmdbStore }, { join, resolve }] = await Promise.all([
    import("../store/back-up-lmdb.ts"),
    import("node:path"),
  ]);
  await backUpLmdbStore(join(context.findHome(), "control", "store"), resolve(context.cwd, folder));
  context.stdout.write(`copied to ${folder}\n`);
}

function addEtcdOptions(command: Command): Command {
  return command
    .option("--etcd <endpoints>", "members of an etcd, with commas between them, instead of the home's store")
    .option("--mesh <name>", "which mesh in etcd")
    .option("--etcd-ca <file>", "who signed the members' certificates (PEM)")
    .option("--etcd-cert <file>", "the client's certificate (PEM)")
    .option("--etcd-key <file>", "its key (PEM)")
    .option("--etcd-user <name>", "user, when etcd asks for one")
    .option("--etcd-password-file <file>", "its password, in a file that only its owner may read");
}

async function exportMesh(context: CliContext, file: string, options: StoreOptions): Promise<void> {
  const [{ formatExport }, { formatWallTime }] = await Promise.all([
    import("../store/export/mesh-export.ts"),
    import("../time/wall-time.ts"),
  ]);
  const { mesh, resources } = await withPlace(context, options, async (place) => ({
    mesh: await findMeshName(place, options),
    resources: await readAll(place),
  }));
  const text = formatExport({ mesh, exportedAt: formatWallTime(context.clock.wallMs()), resources });
  if (file === "-") {
    context.stdout.write(text);
    return;
  }
  const { writePrivateFile } = await import("../lib/private-files.ts");
  const { resolve } = await import("node:path");
  await writePrivateFile(resolve(context.cwd, file), text);
  context.stdout.write(`${resources.length} resources written to ${file}\n`);
}

async function importMesh(context: CliContext, file: string, options: StoreOptions): Promise<void> {
  const [{ parseExport }, { readFile }, { resolve }] = await Promise.all([
    import("../store/export/mesh-export.ts"),
    import("node:fs/promises"),
    import("node:path"),
  ]);
  const name = file === "-" ? "standard input" : file;
  const text =
    file === "-" ? await context.readStdin() : await readText(readFile(resolve(context.cwd, file), "utf8"), file);
  const { resources } = parseExport(text, name);
  const replace = options.replace === true;
  const result = await withPlace(context, options, (place) => writeAll(place, resources, { file: name, replace }));
  const { created, changed, deleted, unchanged } = result;
  context.stdout.write(`${created} created, ${changed} changed, ${deleted} deleted, ${unchanged} unchanged\n`);
}

async function readText(reading: Promise<string>, file: string): Promise<string> {
  try {
    return await reading;
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    throw new WeftError("WEFT_STORE_EXPORT", `Cannot read "${file}": found ${found}; expected an export of weft`, {
      cause: error,
    });
  }
}

/** etcd when it is named; else the control plane of the home when it runs, and the home's store when it does not. */
async function withPlace<T>(context: CliContext, options: StoreOptions, use: (place: Place) => Promise<T>): Promise<T> {
  const { openStoreInEtcd, openStoreOfHome } = await import("./open-store.ts");
  if (options.etcd === undefined) {
    const client = await openRunning(context);
    if (client !== null) {
      try {
        return await use({ kind: "api", client });
      } finally {
        client.close();
      }
    }
  }
  const { etcd, ...rest } = options;
  const opened = await (etcd === undefined ? openStoreOfHome(context) : openStoreInEtcd(context, { ...rest, etcd }));
  try {
    return await use({ kind: "store", opened });
  } finally {
    await opened.close();
  }
}

/** Null when the home's control plane does not run. */
async function openRunning(context: CliContext): Promise<ApiClient | null> {
  try {
    const client = await context.openApi();
    try {
      await client.mesh();
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  } catch (error) {
    const isAbsent =
      error instanceof WeftError && (error.code === "WEFT_API_NOT_STARTED" || error.code === "WEFT_API_UNREACHABLE");
    if (isAbsent) return null;
    throw error;
  }
}

async function findMeshName(place: Place, options: StoreOptions): Promise<string> {
  if (place.kind === "api") return (await place.client.mesh()).name;
  return options.mesh ?? "";
}

async function readAll(place: Place): Promise<readonly Resource[]> {
  if (place.kind === "store") return (await place.opened.store.listAll()).items;
  const { listEverything } = await import("./list-everything.ts");
  return await listEverything(place.client);
}

async function writeAll(
  place: Place,
  resources: readonly Resource[],
  options: { readonly file: string; readonly replace: boolean },
): Promise<ImportResult> {
  if (place.kind === "store") {
    const { importIntoStore } = await import("../store/export/import-into-store.ts");
    return await importIntoStore(place.opened.store, resources, options);
  }
  const { importThroughApi } = await import("./import-through-api.ts");
  return await importThroughApi(place.client, resources, options);
}
