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

/** Whether the same request may work later. */
export function mayPass(error: unknown): boolean {
  return error instanceof RegistryError
    ? isRetriable(error.status)
    : error instanceof NetworkError || error instanceof Deno.errors.TimedOut;
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

/** Holds back all requests to one server for as long as it asked. */
export class Gate {
  #until = 0;

  close(ms: number): void {
    this.#until = Math.max(this.#until, Date.now() + ms);
  }

  async wait(signal?: AbortSignal): Promise<void> {
    for (let left; (left = this.#until - Date.now()) > 0;) {
      await delay(left, signal);
    }
  }
}
