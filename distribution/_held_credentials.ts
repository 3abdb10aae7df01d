import type { Credentials } from "./credentials.ts";

/** Asks whoever knows credentials. */
type Ask = (
  repository: string | undefined,
) => Promise<Credentials | undefined>;

/** What was given for each repository, kept until it is refused. */
export class HeldCredentials {
  readonly #ask: Ask;
  readonly #held = new Map<string, Promise<Credentials | undefined>>();
  /** One question for all who are refused at the same time. */
  readonly #renewals = new Map<string, Promise<void>>();

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  has(repository = ""): boolean {
    return this.#held.has(repository);
  }

  find(repository = ""): Promise<Credentials | undefined> {
    let found = this.#held.get(repository);
    if (found === undefined) {
      found = this.#ask(repository === "" ? undefined : repository);
      this.#held.set(repository, found);
      found.catch(() => this.#held.delete(repository));
    }
    return found;
  }

  /**
   * Asks once again for what was refused: a password may have been changed, and helpers give some that last for hours only.
   *
   * @returns Whether there is something else now.
   */
  async renew(
    repository: string | undefined,
    refused: Credentials | undefined,
  ): Promise<boolean> {
    const key = repository ?? "";
    // Somebody else may have asked since.
    if (!isSame(await this.find(repository), refused)) return true;
    let renewal = this.#renewals.get(key);
    if (renewal === undefined) {
      renewal = this.#renew(repository).finally(() =>
        this.#renewals.delete(key)
      );
      this.#renewals.set(key, renewal);
    }
    await renewal;
    return !isSame(await this.find(repository), refused);
  }

  async #renew(repository: string | undefined): Promise<void> {
    try {
      const found = await this.#ask(repository);
      this.#held.set(repository ?? "", Promise.resolve(found));
    } catch {
      // The refusal is what is told: it stands whether there is something else or not.
    }
  }
}

function isSame(
  a: Credentials | undefined,
  b: Credentials | undefined,
): boolean {
  return textOf(a) === textOf(b);
}

function textOf(credentials: Credentials | undefined): string {
  return JSON.stringify(Object.entries(credentials ?? {}).toSorted());
}
