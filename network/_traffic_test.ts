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

function udp(netns: NetNs, args: readonly string[]): Deno.ChildProcess {
  const script = new URL("./testdata/udp.ts", import.meta.url).pathname;
  return netns.run(() => ({
    child: new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-config", "--unstable-net", "-N", script, ...args],
      stdout: "piped",
    }).spawn(),
  })).child;
}

/** A UDP server in a namespace that sends callers their own address. */
export async function echoDatagrams(
  netns: NetNs,
  { hostname, port }: Endpoint,
): Promise<AsyncDisposable> {
  const child = udp(netns, ["serve", hostname, String(port)]);
  const reader = child.stdout.getReader();
  await reader.read();
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
    },
  };
}

/** Sends a datagram from a namespace, and gives the address that the other end saw, or "nothing". */
export async function askDatagram(
  netns: NetNs,
  endpoint: Endpoint & { readonly sourcePort?: number },
): Promise<string> {
  const { hostname, port, sourcePort = 0 } = endpoint;
  const args = ["ask", hostname, String(port), String(sourcePort)];
  const { stdout } = await udp(netns, args).output();
  return new TextDecoder().decode(stdout).trim();
}
