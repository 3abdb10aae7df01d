import { readAnswer } from "./_body.ts";
import { ByteError } from "./_byte_error.ts";
import { delay } from "./_delay.ts";
import { backoff } from "./_retry.ts";
import { NetworkError } from "./network_error.ts";
import type { RegistryClient } from "./registry_client.ts";
import type { RegistryAnswer, RegistryRequest } from "./registry_request.ts";

/** An answer that was read whole. */
export interface AnswerBytes extends RegistryAnswer {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Asks for something small, again when the answer breaks off or stands still. */
export async function requestBytes(
  client: RegistryClient,
  registry: string,
  { limit, what, ...request }: RegistryRequest & {
    /** The largest body in bytes. */
    readonly limit: number;
    /** What it is called in errors. */
    readonly what: string;
  },
): Promise<AnswerBytes> {
  const { retry, stallTimeout } = client;
  for (let attempt = 1;; attempt++) {
    const answer = await client.request(registry, request);
    try {
      const bytes = await readAnswer(answer, {
        limit,
        what,
        stallTimeout,
        signal: request.signal,
      });
      return { ...answer, bytes };
    } catch (cause) {
      request.signal?.throwIfAborted();
      if (!(cause instanceof ByteError)) throw cause;
      if (attempt >= retry.attempts) {
        throw new NetworkError(
          request.action,
          { host: answer.url.host, why: cause.message },
          { cause },
        );
      }
    }
    await delay(backoff(retry, attempt), request.signal);
  }
}
