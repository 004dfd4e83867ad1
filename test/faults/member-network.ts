import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * A network namespace for each member of etcd, on one bridge, so that members can be cut off from each other and from
 * their clients. Needs root, `ip` and `nft`. All of it is on this machine: nothing is routed anywhere.
 */
export class MemberNetwork {
  readonly #id: string;
  readonly #subnet: string;
  readonly #count: number;

  private constructor(id: string, subnet: string, count: number) {
    this.#id = id;
    this.#subnet = subnet;
    this.#count = count;
  }

  static async create(count: number): Promise<MemberNetwork> {
    const id = String(process.pid % 100_000);
    const network = new MemberNetwork(id, `10.213.${process.pid % 250}`, count);
    try {
      await network.#build();
    } catch (error) {
      await network.remove();
      throw error;
    }
    return network;
  }

  address(index: number): string {
    return `${this.#subnet}.${10 + index}`;
  }

  command(index: number): readonly string[] {
    return ["ip", "netns", "exec", this.#namespace(index)];
  }

  /** The member still hears its clients, but no other member. */
  async isolateFromMembers(index: number): Promise<void> {
    const others = this.#others(index).map((other) => this.address(other));
    await this.#nft(index, [
      "add table inet cut",
      "add chain inet cut input { type filter hook input priority 0; }",
      "add chain inet cut output { type filter hook output priority 0; }",
      `add rule inet cut input ip saddr { ${others.join(", ")} } drop`,
      `add rule inet cut output ip daddr { ${others.join(", ")} } drop`,
    ]);
  }

  /** The member hears nobody, and nobody is told. */
  async isolate(index: number): Promise<void> {
    await run("ip", ["link", "set", this.#link(index), "down"]);
  }

  async heal(index: number): Promise<void> {
    await run("ip", ["link", "set", this.#link(index), "up"]);
    await this.#nft(index, ["add table inet cut", "delete table inet cut"]);
  }

  async remove(): Promise<void> {
    for (let index = 0; index < this.#count; index += 1) {
      await run("ip", ["link", "delete", this.#link(index)]).catch(() => {});
      await run("ip", ["netns", "delete", this.#namespace(index)]).catch(() => {});
    }
    await run("ip", ["link", "delete", this.#bridge()]).catch(() => {});
  }

  async #build(): Promise<void> {
    const bridge = this.#bridge();
    await run("ip", ["link", "add", bridge, "type", "bridge"]);
    await run("ip", ["address", "add", `${this.#subnet}.1/24`, "dev", bridge]);
    await run("ip", ["link", "set", bridge, "up"]);
    for (let index = 0; index < this.#count; index += 1) {
      const namespace = this.#namespace(index);
      const link = this.#link(index);
      const inside = ["netns", "exec", namespace, "ip"];
      await run("ip", ["netns", "add", namespace]);
      await run("ip", ["link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace]);
      await run("ip", ["link", "set", link, "master", bridge, "up"]);
      await run("ip", [...inside, "address", "add", `${this.address(index)}/24`, "dev", "eth0"]);
      await run("ip", [...inside, "link", "set", "eth0", "up"]);
      await run("ip", [...inside, "link", "set", "lo", "up"]);
    }
  }

  async #nft(index: number, rules: readonly string[]): Promise<void> {
    for (const rule of rules) await run("ip", ["netns", "exec", this.#namespace(index), "nft", ...rule.split(" ")]);
  }

  #others(index: number): readonly number[] {
    return Array.from({ length: this.#count }, (_, other) => other).filter((other) => other !== index);
  }

  #namespace(index: number): string {
    return `weft-etcd-${this.#id}-${index}`;
  }

  #link(index: number): string {
    return `we${this.#id}m${index}`;
  }

  #bridge(): string {
    return `we${this.#id}br`;
  }
}
