/** "node 20.20.2", "bun 1.4.5". */
export const runtimeName: string =
  process.versions["bun"] === undefined ? `node ${process.versions.node}` : `bun ${process.versions["bun"]}`;
