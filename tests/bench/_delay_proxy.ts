// deno-lint-ignore-file no-console
/**
 * Passes connections on to a server, each direction late by half the time: what distance does. `_delay_proxy.ts HOST MS`
 * prints its port; it is a process of its own, as what is measured must not wait for it, nor it for that.
 */

async function pipe(
  from: Deno.Conn,
  to: Deno.Conn,
  milliseconds: number,
): Promise<void> {
  const queue: Promise<void>[] = [];
  let last = Promise.resolve();
  const buffer = new Uint8Array(256 * 1024);
  try {
    for (;;) {
      const count = await from.read(buffer);
      const bytes = count === null ? undefined : buffer.slice(0, count);
      const due = new Promise<void>((resolve) =>
        setTimeout(resolve, milliseconds)
      );
      last = Promise.all([last, due]).then(async () => {
        if (bytes === undefined) return await to.closeWrite();
        for (let at = 0; at < bytes.length;) {
          at += await to.write(bytes.subarray(at));
        }
      });
      last.catch(() => {});
      queue.push(last);
      if (count === null) break;
      if (queue.length > 64) await queue.shift();
    }
    await last;
  } catch {
    // One of the ends is gone.
  }
}

async function pass(
  near: Deno.TcpConn,
  host: { hostname: string; port: number },
  milliseconds: number,
): Promise<void> {
  using from = near;
  // A connection takes a round trip before the first byte.
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  using to = await Deno.connect(host);
  from.setNoDelay();
  to.setNoDelay();
  const half = milliseconds / 2;
  await Promise.all([pipe(from, to, half), pipe(to, from, half)]);
}

async function main(): Promise<void> {
  const [host, milliseconds] = Deno.args as [string, string];
  const [hostname, port] = host.split(":") as [string, string];
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  console.log(listener.addr.port);
  for await (const near of listener) {
    pass(near, { hostname, port: Number(port) }, Number(milliseconds))
      .catch(() => {});
  }
}

/** Starts the proxy. */
export async function startDelay(
  host: string,
  milliseconds: number,
): Promise<{ readonly host: string } & AsyncDisposable> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-net",
      "--quiet",
      "--no-check",
      import.meta.filename!,
      host,
      String(milliseconds),
    ],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await reader.read();
  return {
    host: `127.0.0.1:${value!.trim()}`,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.status;
      await reader.cancel();
    },
  };
}

if (import.meta.main) await main();
