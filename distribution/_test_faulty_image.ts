import { assertEquals, assertRejects } from "@std/assert";
import { digestBytes } from "@containerkit/oci";
import { testImage } from "./_test_image.ts";
import {
  type Fault,
  type FaultyRegistry,
  isBlob,
  startFaulty,
} from "./_test_faults.ts";
import type { BlobStore } from "./blob_store.ts";
import { pull, push } from "./mod.ts";
import { createMemoryStore } from "./registry/mod.ts";

export const SIZE = 500_000;
export const image = testImage({ layers: [SIZE] });
export const layer = image.layers[0]!;

export async function start(
  fault: Fault,
  options?: Parameters<typeof startFaulty>[1],
): Promise<FaultyRegistry> {
  let isReady = false;
  const faulty = startFaulty(
    (request, answer) => isReady ? fault(request, answer) : undefined,
    options,
  );
  await push(image, `${faulty.host}/app:1`);
  isReady = true;
  faulty.requests.length = 0;
  return faulty;
}

export async function pullRight(
  faulty: FaultyRegistry,
  store: BlobStore = createMemoryStore(),
): Promise<void> {
  await pull(`${faulty.host}/app:1`, store, { client: faulty.client });
  const stream = await store.open(layer.digest);
  const bytes = new Uint8Array(
    await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>)
      .arrayBuffer(),
  );
  assertEquals(digestBytes(bytes), layer.digest);
}

export async function pullFails<E extends Error>(
  faulty: FaultyRegistry,
  // deno-lint-ignore no-explicit-any
  type: new (...args: any[]) => E,
  message = "",
): Promise<E> {
  const store = createMemoryStore();
  const error = await assertRejects(
    () => pull(`${faulty.host}/app:1`, store, { client: faulty.client }),
    type,
    message,
  );
  assertEquals(await store.stat(layer.digest), undefined);
  return error;
}

export const isLayer = (request: Request) =>
  isBlob(request) && new URL(request.url).pathname.endsWith(layer.digest);

/** Does it to the first answers about the layer only. */
export function times(count: number, fault: Fault): Fault {
  return (request, answer) =>
    isLayer(request) && count-- > 0 ? fault(request, answer) : undefined;
}
