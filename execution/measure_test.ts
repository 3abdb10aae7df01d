import { assertEquals, assertGreater } from "@std/assert";
import { need, rootTest, tempDir } from "@containerkit/tests";
import { makeBench } from "./_bench_test.ts";
import { CgroupReader } from "./_cgroup_reader.ts";
import { measure } from "./_measure.ts";
import { run } from "./mod.ts";

Deno.test("measure() gives numbers to the device that they follow", () => {
  using temp = tempDir();
  Deno.writeTextFileSync(`${temp.path}/cgroup.controllers`, "io\n");
  // The first did nothing and its line was not ended; one has gone.
  Deno.writeTextFileSync(
    `${temp.path}/io.stat`,
    "8:16 8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n" +
      "(unknown) rbytes=9 wbytes=9 rios=9 wios=9\n253:1 \n",
  );
  using reader = new CgroupReader();
  const { io } = measure(reader, { unified: temp.path }, Deno.pid);
  const nothing = { readBytes: 0, writeBytes: 0, reads: 0, writes: 0 };
  assertEquals(io?.devices, [
    { major: 8, minor: 0, readBytes: 1, writeBytes: 2, reads: 3, writes: 4 },
    { major: 253, minor: 1, ...nothing },
  ]);
});

rootTest(
  "stats() tells of every interface, however many there are",
  async () => {
    using bench = makeBench();
    await using container = await run(
      "a",
      await bench.spec("sleep 1000"),
      { state: bench.state, stdout: "null", stderr: "null" },
    );
    const pairs = 40;
    const batch = Array.from(
      { length: pairs },
      (_, index) => `link add a${index} type veth peer name b${index}\n`,
    );
    Deno.writeTextFileSync(`${bench.folder}/batch`, batch.join(""));
    const { success } = await new Deno.Command("nsenter", {
      args: [
        `--net=/proc/${container.pid}/ns/net`,
        ...["ip", "-batch", `${bench.folder}/batch`],
      ],
    }).output();
    assertEquals(success, true);
    assertEquals(container.stats().network?.length, 2 * pairs + 1);
  },
  need("runc", "busybox", "ip", "nsenter"),
);

/** Files that this program has open of a container. */
const openFiles = (id: string) =>
  [...Deno.readDirSync("/proc/self/fd")].flatMap(({ name }) => {
    try {
      const path = Deno.readLinkSync(`/proc/self/fd/${name}`);
      return path.includes(`/containerkit-${id}-`) ? [path] : [];
    } catch {
      return []; // that of the list
    }
  });

rootTest(
  "stats() has no file open of a container that has ended",
  async () => {
    using bench = makeBench();
    await using container = await run(
      "measured",
      await bench.spec("sleep 1000"),
      { state: bench.state, stdout: "null", stderr: "null" },
    );
    container.stats();
    assertGreater(openFiles("measured").length, 0);
    container.kill("KILL");
    await container.status;
    assertEquals(openFiles("measured"), []);
    assertEquals(typeof container.stats().cpu?.usage, "number");
    assertEquals(openFiles("measured"), []);
  },
  need("runc", "busybox"),
);
