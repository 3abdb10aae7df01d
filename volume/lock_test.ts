import { assertEquals, assertRejects } from "@std/assert";
import { rootTest } from "@containerkit/tests";
import { lockFile } from "@containerkit/state";
import { MIB, open } from "./_test_store.ts";

rootTest("VolumeStore.lock() excludes and shares", async () => {
  await using fixture = await open();
  const { volumes } = fixture;
  await volumes.create("data");
  {
    using _one = await volumes.lock("data", { exclusive: false });
    using _two = await volumes.lock("data", { exclusive: false });
    await assertRejects(
      () => volumes.lock("data", { signal: AbortSignal.timeout(20) }),
      DOMException,
    );
  }
  using _alone = await volumes.lock("data");
});

const HOLDER = `
  import { openVolumes } from "@containerkit/volume";
  const [path, exclusive] = Deno.args;
  await using volumes = await openVolumes({ root: path + "/lib", state: path + "/run" });
  using _lock = await volumes.lock("data", { exclusive: exclusive === "true" });
  console.log("held");
  for await (const _ of Deno.stdin.readable) break;
`;

/** Another process that holds the lock. */
async function hold(
  path: string,
  { exclusive }: { exclusive: boolean },
): Promise<Deno.ChildProcess> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", HOLDER, path, String(exclusive)],
    cwd: new URL("..", import.meta.url).pathname,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  for await (const _ of child.stdout) break;
  return child;
}

rootTest("VolumeStore.lock() holds across processes", async () => {
  await using fixture = await open();
  const { volumes, path } = fixture;
  await volumes.create("data");
  await volumes.create("other");
  const refused = (exclusive: boolean) =>
    assertRejects(
      () =>
        volumes.lock("data", { exclusive, signal: AbortSignal.timeout(60) }),
      DOMException,
    );
  const reader = await hold(path, { exclusive: false });
  await refused(true);
  {
    using _shared = await volumes.lock("data", { exclusive: false });
    using _other = await volumes.lock("other");
  }
  const waiting = volumes.lock("data");
  await reader.stdin.close();
  assertEquals((await reader.status).code, 0);
  (await waiting).close();

  const writer = await hold(path, { exclusive: true });
  await refused(true);
  await refused(false);
  // The kernel drops it with its process.
  writer.kill("SIGKILL");
  await writer.status;
  await writer.stdin.close().catch(() => {});
  using _lock = await volumes.lock("data");
});

rootTest(
  "VolumeStore.lock() gives none of a volume that is removed while it waits",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    await volumes.create("data");
    const held = await Promise.all(
      ["", ".fill", ".resize"].map((suffix) =>
        lockFile(`${path}/lib/volumes/locks/1${suffix}`)
      ),
    );
    const waiting = [
      () => volumes.lock("data"),
      () => volumes.populate("data", () => Promise.resolve()),
      () => volumes.resize("data", { size: MIB }),
    ].map((call) => assertRejects(call, Deno.errors.NotFound, "no such"));
    await volumes.remove("data");
    for (const lock of held) lock.close();
    await Promise.all(waiting);
    assertEquals([...Deno.readDirSync(`${path}/lib/volumes/locks`)], []);
  },
);
