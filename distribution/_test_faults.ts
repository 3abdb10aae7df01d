import { RegistryClient } from "./registry_client.ts";
import { createMemoryStore } from "./registry/create_memory_store.ts";
import type { RegistryStore } from "./registry/registry_store.ts";
import { createRegistry, type Registry } from "./registry/create_registry.ts";

/** Changes what a registry answers; `undefined` leaves it. */
export type Fault = (
  request: Request,
  answer: (request?: Request) => Promise<Response>,
) => Promise<Response | undefined> | Response | undefined;

/** A registry with faults, and a client that is quick to try again. */
export interface FaultyRegistry extends AsyncDisposable {
  readonly host: string;
  readonly client: RegistryClient;
  /** Every request, as `GET /v2/…` and its range. */
  readonly requests: string[];
  readonly registry: Registry;
}

/** Serves a registry on loopback whose answers go through a fault. */
export function startFaulty(
  fault: Fault = () => undefined,
  options: {
    store?: RegistryStore;
    client?: ConstructorParameters<typeof RegistryClient>[0];
  } = {},
): FaultyRegistry {
  const registry = createRegistry({
    store: options.store ?? createMemoryStore(),
  });
  const requests: string[] = [];
  const server = Deno.serve(
    {
      hostname: "127.0.0.1",
      port: 0,
      onListen() {},
      // A body that breaks off on purpose.
      onError: () => new Response(null, { status: 500 }),
    },
    async (request) => {
      const { pathname, search } = new URL(request.url);
      const range = request.headers.get("range") ??
        request.headers.get("content-range") ?? "";
      requests.push(`${request.method} ${pathname}${search} ${range}`.trim());
      const answer = (other = request) => registry(other);
      return await fault(request, answer) ?? await answer();
    },
  );
  return {
    host: `127.0.0.1:${server.addr.port}`,
    client: new RegistryClient({
      retry: { attempts: 4, delay: 1, budget: 5000 },
      stallTimeout: 100,
      timeout: 5000,
      ...options.client,
    }),
    requests,
    registry,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await registry[Symbol.asyncDispose]();
    },
  };
}

/** Whether a request is for the content of a blob. */
export function isBlob(request: Request, method = "GET"): boolean {
  return request.method === method &&
    /\/blobs\/sha\d+:/.test(new URL(request.url).pathname);
}

/**
 * The first `count` bytes of a body, and then the connection breaks, or stands still. A break may overtake bytes
 * that are on their way: tests that count bytes let it stand still.
 */
export function cutBody(
  response: Response,
  count: number,
  options: { stall?: boolean } = {},
): Response {
  const reader = response.body!.getReader();
  let left = count;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      if (left === 0) {
        if (options.stall) return new Promise(() => {});
        await reader.cancel();
        return controller.error(new Error("cut"));
      }
      const { value } = await reader.read();
      const part = (value as Uint8Array<ArrayBuffer>).subarray(0, left);
      left -= part.length;
      controller.enqueue(part);
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return new Response(body, response);
}
