import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createSpec, run } from "@containerkit/execution";
import { ckit, makeBusyboxRootfs, need, rootTest, tempDir } from "./mod.ts";

rootTest("ckit volume makes, shows, attaches and removes volumes", async () => {
  await using temp = tempDir();
  makeBusyboxRootfs(`${temp.path}/rootfs`);
  await Deno.mkdir(`${temp.path}/rootfs/data`);
  const options = { folder: temp.path };
  const call = async (...words: string[]) => {
    const { code, stdout, stderr } = await ckit(["volume", ...words], options);
    assertEquals([code, stderr], [0, ""]);
    return stdout;
  };
  assertEquals(
    await call(
      "create",
      "--kind",
      "image",
      "--size",
      "16M",
      "--label",
      "a=b",
      "db",
    ),
    "db\n",
  );
  assertStringIncludes(await call("ls"), "db");
  assertEquals(await call("resize", "db", "32M"), "db\n");
  assertEquals(await call("clone", "--readonly", "db", "copy"), "copy\n");
  const spec = await createSpec({}, {
    rootfs: `${temp.path}/rootfs`,
    args: [
      "/bin/busybox",
      "sh",
      "-c",
      "until grep -q ' /data ' /proc/mounts; do sleep 0.01; done; cd /data; sleep 1000",
    ],
  });
  await using container = await run("ckit-volume", spec, {
    state: `${temp.path}/run`,
  });
  assertEquals(await call("attach", "db", "ckit-volume", "/data"), "db\n");
  const [shown, copy] = JSON.parse(await call("inspect", "db", "copy"));
  const { pid } = container;
  const [use] = shown.attachments;
  assertEquals([shown.name, shown.kind, shown.labels], ["db", "image", {
    a: "b",
  }]);
  assertEquals([use.place, use.container], [
    { process: pid, target: "/data" },
    "ckit-volume",
  ]);
  assertEquals([copy.name, copy.attachments], ["copy", []]);
  assertMatch(await call("ls"), /^copy .* -\ndb .* ckit-volume$/m);
  const none = await ckit(["volume", "inspect", "none"], options);
  assertEquals([none.code, none.stdout], [1, "[]\n"]);
  assertStringIncludes(none.stderr, '"none": there is no such volume');
  const held = await ckit(["volume", "rm", "db"], options);
  assertEquals(held.code, 1);
  assertStringIncludes(held.stderr, `process ${container.pid}`);
  // Its process goes there as soon as it sees it.
  while (Deno.readLinkSync(`/proc/${container.pid}/cwd`) !== "/data") {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const busy = await ckit(
    ["volume", "detach", "ckit-volume", "/data"],
    options,
  );
  assertEquals(busy.code, 1);
  assertStringIncludes(busy.stderr, `used by process ${container.pid} (`);
  assertEquals(
    await call("detach", "--lazy", "ckit-volume", "/data"),
    "/data\n",
  );
  container.kill("SIGKILL");
  await container.status;
  assertEquals((await call("prune")).split("\n").sort(), ["", "copy", "db"]);
}, need("runc", "busybox", "mkfs.ext4"));
