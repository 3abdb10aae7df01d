/** Sends each byte back. */
async function echo(connection: Deno.Conn): Promise<void> {
  using held = connection;
  await held.readable.pipeTo(held.writable).catch(() => {});
}

/**
 * Counts how often a byte comes back by a socket of this program while something else is at work: who works for long
 * must let sockets have their turn.
 */
export async function countEchoes(work: Promise<unknown>): Promise<number> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  let isOver = false;
  const over = work.finally(() => void (isOver = true));
  const [near, far] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port }),
    listener.accept(),
  ]);
  const echoed = echo(far);
  const byte = new Uint8Array(1);
  let count = 0;
  for (; !isOver; count++) {
    await near.write(byte);
    await near.read(byte);
  }
  near.close();
  await echoed;
  await over;
  return count;
}
