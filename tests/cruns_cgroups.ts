import { SyscallError } from "@containerkit/libc";
import { mount, type Mounted } from "@containerkit/mount";
import { tempDir } from "./temp_dir.ts";

const UNIFIED = "/sys/fs/cgroup/unified/cgroup.controllers";
/** They come back this late after a test. */
const LATE_MS = 2000;
const PAUSE_MS = 20;

const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

/** The controllers of cgroup v2 where it stands beside v1. */
async function readControllers(): Promise<string> {
  for (const end = Date.now() + LATE_MS;;) {
    let text: string;
    try {
      text = Deno.readTextFileSync(UNIFIED).trim();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    }
    if (text !== "" || Date.now() > end) return text;
    await pause();
  }
}
let controllers: Promise<string> | undefined;

/**
 * crun refuses a machine with cgroup v1 whose cgroup v2 has controllers too.
 * Where that is so, mounting them as v1 takes them away from there until it is undone.
 */
export async function withCrunsCgroups(fn: () => Promise<void>): Promise<void> {
  // Once: during a test they are not there.
  controllers ??= readControllers();
  const found = await controllers;
  if (found === "") return await fn();
  await using temp = tempDir();
  await using _mounted = await mountControllers(temp.path, found);
  await fn();
}

/** Busy while the kernel still takes down what the test before mounted. */
async function mountControllers(
  target: string,
  controllers: string,
): Promise<Mounted> {
  for (let attempt = 1;; attempt++) {
    try {
      return await mount({
        type: "raw",
        fstype: "cgroup",
        source: "cgroup",
        options: [controllers.replaceAll(" ", ",")],
      }, target);
    } catch (error) {
      const busy = error instanceof SyscallError && error.code === "EBUSY";
      if (!busy || attempt === 250) throw error;
      await pause();
    }
  }
}
