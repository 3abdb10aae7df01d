import { assert, assertEquals } from "@std/assert";
import { channel } from "node:diagnostics_channel";
import type { Trace } from "@containerkit/libc";
import { features, mount } from "./mod.ts";
import { refusedMountApi } from "./_mount_api.ts";
import { rootTest, tempDir } from "../tests/mod.ts";

rootTest(
  "features() agrees with what the kernel lists, and gives reasons",
  () => {
    const found = features();
    const known = Deno.readTextFileSync("/proc/filesystems");
    for (const type of ["overlay", "erofs", "btrfs", "xfs", "tmpfs"] as const) {
      if (known.includes(`\t${type}\n`)) assertEquals(found[type], undefined);
    }
    for (const reason of Object.values(found)) {
      assert(reason === undefined || reason.length > 10, reason);
    }
    assertEquals(features(), found);
    const refused = refusedMountApi();
    assertEquals(found["detached-mounts"] === undefined, refused === undefined);
    assertEquals(found.idmap, refused);
  },
);

rootTest(
  "the channel containerkit:mount tells what was mounted and how it ended",
  async () => {
    await using temp = tempDir();
    const traces: Trace[] = [];
    const listener = (message: unknown) => {
      traces.push(message as Trace);
    };
    channel("containerkit:mount").subscribe(listener);
    try {
      await using _ = await mount({ type: "tmpfs", size: 4096 }, temp.path);
      await mount({ type: "tmpfs", size: -1 }, temp.path).catch(() => {});
    } finally {
      channel("containerkit:mount").unsubscribe(listener);
    }
    const isDetached = refusedMountApi() === undefined;
    const expected: [string, boolean][] = [
      ["open", false],
      ["mount", false],
      ["open", true],
      ["mount", true],
      ["unmount", false],
    ];
    assertEquals(
      traces.map(({ operation, error }) => [operation, error !== undefined]),
      expected.filter(([operation]) => isDetached || operation !== "open"),
    );
    const first = traces.find(({ operation }) => operation === "mount");
    assertEquals(first?.details, {
      mounts: [{ type: "tmpfs", size: 4096 }],
      target: temp.path,
    });
  },
);
