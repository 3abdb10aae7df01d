import { mount } from "@containerkit/mount";
import { openVolumes } from "@containerkit/volume";
import { runProgram } from "../run_program.ts";
import { tempDir } from "../temp_dir.ts";
import type { Bench } from "./bench.ts";

const GIB = 2 ** 30;

async function time(fn: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await fn();
  return performance.now() - start;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** Volumes: no peer has them without a daemon; the bars are times. */
export async function suite(bench: Bench): Promise<void> {
  await using temp = tempDir();
  {
    await using volumes = await openVolumes({
      root: `${temp.path}/lib`,
      state: `${temp.path}/run`,
    });
    const times: number[] = [];
    using disk = await Deno.create(`${temp.path}/waits`);
    const block = new Uint8Array(4096);
    await bench.compare({
      name: "a dir volume's life, against two waits for this disk alone",
      ours: async () => {
        const ms = await time(async () => {
          await volumes.create("data");
          const use = await volumes.attach("data");
          await use[Symbol.asyncDispose]();
          await volumes.remove("data");
        });
        times.push(ms);
        return ms;
      },
      peer: async () => {
        for (let wait = 0; wait < 2; wait++) {
          await disk.write(block);
          await disk.syncData();
        }
      },
      rounds: 200,
    });
    bench.report(
      "create, attach, detach and remove a dir volume, p50",
      median(times),
      2,
      "ms",
    );
  }
  await runProgram("truncate", ["-s", "4G", `${temp.path}/disk`]);
  await runProgram("mkfs.xfs", ["-q", `${temp.path}/disk`]);
  await Deno.mkdir(`${temp.path}/xfs`);
  await using _xfs = await mount(
    { type: "image", source: `${temp.path}/disk`, fstype: "xfs" },
    `${temp.path}/xfs`,
  );
  await using volumes = await openVolumes({
    root: `${temp.path}/xfs`,
    state: `${temp.path}/run`,
  });
  await volumes.create("one", { kind: "image", size: GIB });
  await volumes.populate("one", async (root) => {
    const chunk = crypto.getRandomValues(new Uint8Array(65536));
    using file = await Deno.create(`${root}/data`);
    for (let written = 0; written < 512 * 1024 * 1024;) {
      written += await file.write(chunk);
    }
  });
  let clone = 0;
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    times.push(
      await time(() => volumes.clone("one", `clone-${clone++}`)),
    );
  }
  bench.report(
    "clone a 1 GiB image volume on xfs, p50",
    median(times),
    100,
    "ms",
  );
  await volumes.prune();
}
