/**
 * Work on files that is done elsewhere, one piece after another, while this thread goes on.
 *
 * The first that fails is told to whoever waits; what comes after it knows of it and does no more than clean up.
 */
export class LargeWrites {
  #last: Promise<void> | undefined;
  /** How much is not done yet. */
  size = 0;
  #failure: { readonly error: unknown } | undefined;

  /** What was asked for so far; `undefined` if all of it is done. */
  get pending(): Promise<void> | undefined {
    return this.#last;
  }

  /** Does something once all that was asked for before is done. */
  add(work: (hasFailed: boolean) => void | Promise<void>): void {
    const before = this.#last;
    this.size++;
    const run = async () => {
      await before;
      try {
        await work(this.#failure !== undefined);
      } catch (error) {
        this.#failure ??= { error };
      }
      this.size--;
      if (this.#last === mine) this.#last = undefined;
    };
    const mine: Promise<void> = run();
    this.#last = mine;
  }

  /**
   * Waits for what was asked for until `pending` was looked at.
   *
   * @throws What the first failed with.
   */
  async until(pending: Promise<void> | undefined): Promise<void> {
    await pending;
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
