/** What has been opened, to be closed in reverse order, all of it, whatever fails on the way. */
export class ClosingStack {
  readonly #steps: (() => void | Promise<void>)[] = [];
  #closing: Promise<void> | null = null;

  add(step: () => void | Promise<void>): void {
    this.#steps.push(step);
  }

  /** Rejects with the first failure when every step has run. Calling again gives the same promise. */
  close(): Promise<void> {
    this.#closing ??= this.#run();
    return this.#closing;
  }

  async #run(): Promise<void> {
    const failures: unknown[] = [];
    for (const step of this.#steps.toReversed()) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
