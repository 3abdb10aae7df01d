import { assertEquals } from "@std/assert";
import type { NetNs } from "./mod.ts";

interface Endpoint {
  readonly hostname: string;
  readonly port: number;
}

/** A TCP server in a namespace that sends one caller its own address, then ends. */
export function echoOnce(
  netns: NetNs,
  endpoint: Endpoint,
): AsyncDisposable & { readonly done: Promise<void> } {
  const listener = netns.run(() => Deno.listen(endpoint));
  let open = true;
  const close = () => {
    if (open) listener.close();
    open = false;
  };
  const serve = async () => {
    using connection = await listener.accept();
    const { hostname } = connection.remoteAddr;
    await connection.write(new TextEncoder().encode(hostname));
  };
  const done = serve().finally(close);
  done.catch(() => {});
  return {
    done,
    [Symbol.asyncDispose]() {
      close();
      return done.catch(() => {});
    },
  };
}

/** Connects from a namespace, and gives the address that the other end saw. */
export async function roundTrip(
  netns: NetNs,
  endpoint: Endpoint,
): Promise<string> {
  const { connection } = netns.run(() => ({
    connection: Deno.connect(endpoint),
  }));
  using socket = await connection;
  const buffer = new Uint8Array(64);
  const count = await socket.read(buffer);
  assertEquals(count !== null, true);
  return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
}
