/** Passes connections on to a server, each direction late by half the time: what distance does. */
export function startDelay(
  host: string,
  milliseconds: number,
): { readonly host: string } & AsyncDisposable {
  const [hostname, port] = host.split(":") as [string, string];
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const half = milliseconds / 2;
  const pipe = async (from: Deno.Conn, to: Deno.Conn) => {
    const queue: Promise<void>[] = [];
    let last = Promise.resolve();
    const buffer = new Uint8Array(256 * 1024);
    try {
      for (;;) {
        const count = await from.read(buffer);
        const bytes = count === null ? undefined : buffer.slice(0, count);
        const due = new Promise<void>((resolve) => setTimeout(resolve, half));
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
  };
  const connections = new Set<Deno.Conn>();
  const serve = async () => {
    for await (const near of listener) {
      const open = async () => {
        // A connection takes a round trip before the first byte.
        await new Promise((resolve) => setTimeout(resolve, milliseconds));
        const far = await Deno.connect({ hostname, port: Number(port) });
        near.setNoDelay();
        far.setNoDelay();
        for (const connection of [near, far]) connections.add(connection);
        await Promise.all([pipe(near, far), pipe(far, near)]);
        for (const connection of [near, far]) {
          connections.delete(connection);
          connection.close();
        }
      };
      open().catch(() => {});
    }
  };
  const served = serve().catch(() => {});
  const { port: own } = listener.addr as Deno.NetAddr;
  return {
    host: `127.0.0.1:${own}`,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of connections) {
        try {
          connection.close();
        } catch {
          // It closed by itself.
        }
      }
      await served;
    },
  };
}
