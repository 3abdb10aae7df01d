// Layers through power cuts: what was said to be committed is there afterwards, to the last byte.
import { assertEquals, assertNotEquals } from "@std/assert";
import { mount } from "@containerkit/mount";
import { chainIds } from "@containerkit/oci";
import { type Snapshotter, unpack } from "@containerkit/snapshot";
import { program } from "../need.ts";
import { runProgram } from "../run_program.ts";
import { tempDir } from "../temp_dir.ts";
import type { GuestKernel } from "./_machines.ts";
import { DISKS, layersOf, OPEN } from "./_snapshot_world.ts";
import { guestScript } from "./guest_test_case.ts";

const LONG = Deno.env.has("CONTAINERKIT_LONG");
const CUTS = LONG ? 5 : 1;
const DRIVERS = DISKS.flatMap(({ drivers }) => drivers);
const COMMAND = [
  ...DISKS.map(({ fstype }, index) => {
    const device = `/dev/vd${"bc"[index]}`;
    return `mkdir -p /mnt/${fstype} && mount -t ${fstype} ${device} /mnt/${fstype}`;
  }),
  "deno run -A --no-check --quiet tests/guest/_snapshot_writer.ts /mnt",
].join(" && ");

/** New disks, in files of these names. */
async function makeDisks(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for (const { fstype } of DISKS) {
    const path = `${folder}/${fstype}.disk`;
    await runProgram("truncate", ["-s", "1G", path]);
    await runProgram(program(`mkfs.${fstype}`)!, ["-q", path]);
    paths.push(path);
  }
  return paths;
}

/** What is wrong with a store in which so many images were committed. */
async function findProblems(
  store: Snapshotter,
  images: number,
): Promise<string[]> {
  const problems = (await store.fsck()).map(({ subject, problem }) =>
    `${subject}: ${problem}`
  );
  for (let image = 0; image < images; image++) {
    const layers = layersOf(image);
    const names = chainIds(layers.map(({ diffId }) => diffId));
    for (const [at, source] of layers.entries()) {
      try {
        const found = await store.verify(names[at]!, { source });
        problems.push(...found.problems);
      } catch (error) {
        problems.push(String(error));
      }
    }
  }
  return problems;
}

type Boot = Parameters<Parameters<typeof guestScript>[2]>[0];

/** Cuts the power when so many images are committed by each driver, and looks at the stores in the next boot: this machine's. */
async function cutPower(
  boot: Boot,
  options: { images: number; durability: "batch" | "none" },
): Promise<Map<string, string[]>> {
  const { images, durability } = options;
  await using temp = tempDir({ dir: "/var/tmp" });
  const disks = await makeDisks(temp.path);
  const committed = new Map<string, number>();
  await boot({
    command: `${COMMAND} ${durability}`,
    disks,
    // The image driver makes filesystems.
    programs: ["mkfs.ext4"],
    onLine(line, guest) {
      const [, driver, image] = /^COMMITTED (\w+) (\d+)$/.exec(line) ?? [];
      if (driver === undefined) return;
      committed.set(driver, Number(image) + 1);
      const isEnough = DRIVERS.every((driver) =>
        (committed.get(driver) ?? 0) >= images
      );
      if (isEnough) guest.cut();
    },
  });
  const problems = new Map<string, string[]>();
  for (const { fstype, drivers } of DISKS) {
    const source = `${temp.path}/${fstype}.disk`;
    const target = `${temp.path}/${fstype}`;
    Deno.mkdirSync(target);
    await using _mounted = await mount(
      { type: "image", source, fstype },
      target,
    );
    for (const driver of drivers) {
      await using store = await OPEN[driver]!({ root: `${target}/${driver}` });
      problems.set(driver, await findProblems(store, committed.get(driver)!));
      // It is a store like any other.
      const { chainId } = await unpack(layersOf(100), store);
      await using _work = await store.prepare("after", chainId);
    }
  }
  return problems;
}

for (const kernel of ["uml", "6.12"] as const satisfies GuestKernel[]) {
  guestScript(
    "layers that were committed survive a power cut",
    kernel,
    async (boot) => {
      for (let images = 1; images <= CUTS; images++) {
        const found = await cutPower(boot, { images, durability: "batch" });
        assertEquals(found, new Map(DRIVERS.map((driver) => [driver, []])));
      }
      if (!LONG) return;
      // That it would show what was lost.
      const found = await cutPower(boot, { images: 1, durability: "none" });
      assertNotEquals(found.get("overlay"), []);
    },
  );
}
