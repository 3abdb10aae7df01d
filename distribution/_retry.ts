import { delay } from "./_delay.ts";
import { NetworkError } from "./network_error.ts";
import { RegistryError } from "./registry_error.ts";

/** How failed requests are repeated. */
export interface RetryPolicy {
  readonly attempts: number;
  readonly delay: number;
  readonly maxDelay: number;
  readonly budget: number;
}

const RETRIABLE: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** Whether a status says that the same request may work later. */
export function isRetriable(status: number): boolean {
  return RETRIABLE.has(status);
}

/** Whether there was no answer at all. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof NetworkError ||
    error instanceof Deno.errors.TimedOut;
}

/** Whether the same request may work later. */
export function mayPass(error: unknown): boolean {
  return error instanceof RegistryError
    ? isRetriable(error.status)
    : isUnreachable(error);
}

/** Reads `Retry-After`, seconds or a date, as milliseconds from now. */
export function readRetryAfter(
  header: string | null,
  now = Date.now(),
): number | undefined {
  if (header === null) return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** How long to wait before attempt `attempt` (the second one is 1), with full jitter above half. */
export function backoff(policy: RetryPolicy, attempt: number): number {
  const full = Math.min(policy.maxDelay, policy.delay * 2 ** (attempt - 1));
  return full / 2 + Math.random() * full / 2;
}

/** No server is left alone for longer without being asked, whatever it says, in milliseconds: some state nonsense. */
const MAX_CLOSED = 3_600_000;

/** Holds back all requests to one server for as long as it asked. */
export class Gate {
  #until = 0;
  #refusal: Promise<RegistryError> | undefined;

  /** @param refusal What the server said, in full. */
  close(ms: number, refusal: Promise<RegistryError>): void {
    const until = Date.now() + Math.min(ms, MAX_CLOSED);
    if (until <= this.#until) return;
    this.#until = until;
    this.#refusal = refusal;
  }

  /**
   * Waits until the server may be asked.
   *
   * @param action What is to be done, for errors.
   * @throws {RegistryError} At once, if that is after the deadline: what the server said to the request it refused.
   */
  async wait(
    action: string,
    { deadline, signal }: { deadline: number; signal?: AbortSignal },
  ): Promise<void> {
    for (let left; (left = this.#until - Date.now()) > 0;) {
      if (this.#until > deadline) {
        const cause = await this.#refusal!;
        const retryAfter = Math.ceil(left / 1000);
        throw new RegistryError(action, { ...cause, retryAfter }, { cause });
      }
      await delay(left, signal);
    }
  }
}
