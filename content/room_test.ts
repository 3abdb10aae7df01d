import { assert, assertEquals } from "@std/assert";
import { statfs } from "node:fs/promises";
import { openStore } from "./mod.ts";

async function withRoot(fn: (root: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir({ prefix: "containerkit-" });
  try {
    await fn(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("room() counts what is free, and what an attempt has already", () =>
  withRoot(async (root) => {
    using store = await openStore({ root });
    const writer = await store.writer("attempt");
    await writer.write(new Uint8Array(1 << 20));
    await writer.abort();
    // Others write to the disk as well: only a part of it is theirs meanwhile.
    const { bsize, blocks } = await statfs(root);
    const room = await store.room();
    assert(room !== undefined && room >= 1 << 20, `${room}`);
    assert(room <= bsize * blocks);
  }));

Deno.test("room() is not known without the permission to ask", {
  permissions: { read: true, write: true, env: true },
}, () =>
  withRoot(async (root) => {
    using store = await openStore({ root });
    assertEquals(await store.room(), undefined);
  }));
