import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { mount } from "@containerkit/mount";
import { projectOf, quotaOf } from "@containerkit/mount/quota";
import {
  need,
  quotasMissing,
  rootTest,
  runProgram,
  tempDir,
} from "@containerkit/tests";
import { exists } from "./_folders.ts";
import { openOverlay, openTarindex } from "./mod.ts";
import { openNative } from "./native.ts";

const MIB = 1 << 20;
/** What differs between them is no matter of the driver. */
const DISKS = ["ext4", "xfs"] as const;
const DRIVERS = {
  overlay: openOverlay,
  tarindex: openTarindex,
  native: openNative,
};

/** A new filesystem with project quotas in a file. */
async function limitedDisk(
  fstype: "ext4" | "xfs",
): Promise<{ path: string } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const temp = stack.use(tempDir());
  const source = `${temp.path}/disk`;
  const path = `${temp.path}/fs`;
  Deno.mkdirSync(path);
  await runProgram("truncate", ["-s", "400M", source]);
  const features = ["-O", "project,quota", "-E", "quotatype=prjquota"];
  await runProgram(`mkfs.${fstype}`, [
    "-q",
    ...(fstype === "ext4" ? features : []),
    source,
  ]);
  const options = ["prjquota"];
  stack.use(await mount({ type: "image", source, fstype, options }, path));
  const kept = stack.move();
  return { path, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** The projects of the folders of snapshots on a disk. */
function limitedProjects(disk: string): number[] {
  const projects = new Set<number>();
  for (const driver of Deno.readDirSync(`${disk}/snapshots`)) {
    const layers = `${disk}/snapshots/${driver.name}/layers`;
    for (const { name } of Deno.readDirSync(layers)) {
      for (const folder of ["", "/work"]) {
        const path = `${layers}/${name}${folder}`;
        if (exists(path)) projects.add(projectOf(path));
      }
    }
  }
  projects.delete(0);
  return [...projects];
}

/** Writes as a container does: ext4 holds nobody to a limit who has this capability. */
function write(path: string, size: number): Promise<string> {
  return runProgram("setpriv", [
    "--bounding-set=-sys_resource",
    "dd",
    "if=/dev/zero",
    `of=${path}`,
    "bs=65536",
    `count=${size / 65536}`,
  ]);
}

for (const [driver, open] of Object.entries(DRIVERS)) {
  for (const fstype of driver === "overlay" ? DISKS : DISKS.slice(0, 1)) {
    rootTest(
      `${driver} limits snapshots by project quotas of ${fstype}`,
      async () => {
        await using disk = await limitedDisk(fstype);
        const target = `${disk.path}/target`;
        Deno.mkdirSync(target);
        await using store = await open({ root: disk.path });
        const projects: number[] = [];
        {
          await using base = await store.prepare("base-active");
          await using _mounted = await mount(base.mounts, target);
          await write(`${target}/below`, MIB);
          await _mounted[Symbol.asyncDispose]();
          await base.commit("base");
        }
        {
          await using work = await store.prepare("work", "base", {
            sizeLimit: 8 * MIB,
          });
          await using other = await store.prepare("other", "base", {
            sizeLimit: 8 * MIB,
          });
          projects.push(...limitedProjects(disk.path));
          assertEquals(projects.length, 2);
          {
            await using _mounted = await mount(work.mounts, target);
            await write(`${target}/file`, 4 * MIB);
            const { message } = await assertRejects(
              () => write(`${target}/big`, 8 * MIB),
              Error,
            );
            assertMatch(message, /quota exceeded|No space left/);
            const { size } = await store.usage("work");
            assert(size > 6 * MIB && size <= 8 * MIB, `it takes ${size}`);
            Deno.removeSync(`${target}/big`);
          }
          // Each has a limit of its own.
          const { size } = await store.usage("other");
          assert(size < 2 * MIB, `the other takes ${size}`);
          await using _mounted = await mount(other.mounts, target);
          await write(`${target}/file`, 4 * MIB);
          await _mounted[Symbol.asyncDispose]();
          await work.commit("layer");
        }
        {
          await using view = await store.view("view", "layer");
          await using _mounted = await mount(view.mounts, target);
          assertEquals(Deno.statSync(`${target}/file`).size, 4 * MIB);
          assertEquals(Deno.statSync(`${target}/below`).size, MIB);
        }
        {
          // Nor is the first of another store the first of this one.
          const root = `${disk.path}/other`;
          await using second = await open({ root });
          await using first = await second.prepare("first", undefined, {
            sizeLimit: 8 * MIB,
          });
          const { size } = await second.usage("first");
          assert(size < MIB, `the first of another store takes ${size}`);
          await using _mounted = await mount(first.mounts, target);
          await write(`${target}/file`, 4 * MIB);
        }
        await store.remove("layer");
        await store.remove("base");
        await store.cleanup();
        // What is gone has no limit, which who gets its number would be held to.
        for (const project of projects) {
          assertEquals(quotaOf(disk.path, project).bytes, 0);
        }
      },
      need(`mkfs.${fstype}`, "setpriv") ?? quotasMissing(),
    );
  }
}
