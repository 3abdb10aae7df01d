import { createHash } from "node:crypto";
import { dirname } from "@std/path/posix/dirname";
import { type FileLock, tryLockFile } from "@containerkit/state";
import { type Bundle, recordIn, STATE } from "./_bundle.ts";
import { isThere } from "./_is_there.ts";
import type { Runtime } from "./runtime.ts";

/**
 * Keeps others, of whatever state folder, from making a container of an id in
 * the folder of a runtime. No runtime is sure to refuse the second of two that
 * come at once, and each removes there what the other has begun.
 *
 * It is a file with a dot in front, which no id has; one that a killed program
 * leaves is free, and no runtime takes it for a container.
 *
 * @returns The lock; `undefined` if another holds it.
 */
export function tryLockId(
  runtime: Runtime,
  id: string,
): Disposable | undefined {
  const lock = tryLock(lockPath(runtime, id));
  return lock && { [Symbol.dispose]: () => remove(lock) };
}

/** The lock of a cgroup that specs name, and whose it is. */
export interface CgroupLock extends Disposable {
  /** The bundle of the container that has it: until it is deleted. */
  readonly owner: string | undefined;
  /** Gives it to a container that is being made. */
  give(bundle: Bundle): void;
}

/**
 * Keeps others, of whatever state folder and runtime, from making a container in
 * a cgroup. It looks free before the first process is in it and after the last,
 * and who fails to make a container there, or deletes one, ends all that is in it.
 *
 * @returns The lock; `undefined` if another holds it.
 */
export function tryLockCgroup(cgroupsPath: string): CgroupLock | undefined {
  const lock = tryLock(cgroupLockPath(cgroupsPath));
  return lock && {
    get owner() {
      const path = Deno.readTextFileSync(lock.path);
      return path !== "" && isThere(recordIn(path)) ? path : undefined;
    },
    give: ({ path }) => Deno.writeTextFileSync(lock.path, path),
    [Symbol.dispose]() {
      if (this.owner === undefined) remove(lock);
      else lock.close();
    },
  };
}

/** Nobody has it any more, once the record of its container has gone. */
export function forgetCgroup(cgroupsPath: string): void {
  if (isThere(cgroupLockPath(cgroupsPath))) {
    tryLockCgroup(cgroupsPath)?.[Symbol.dispose]();
  }
}

/** The tree is the machine's, and so is this folder. */
function cgroupLockPath(cgroupsPath: string): string {
  const hash = createHash("sha256").update(cgroupsPath).digest("hex");
  return `${STATE}/.cgroup-${hash}.lock`;
}

function tryLock(path: string): FileLock | undefined {
  Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  return tryLockFile(path);
}

/** Removes what a program left that was killed when it had made a container. */
export function forgetLock(runtime: Runtime, id: string): void {
  if (isThere(lockPath(runtime, id))) {
    tryLockId(runtime, id)?.[Symbol.dispose]();
  }
}

const lockPath = ({ options: { root } }: Runtime, id: string) =>
  `${root}/.${id}.lock`;

/** While it is held: whoever has it open by then begins again. */
function remove(lock: FileLock): void {
  using _ = lock;
  try {
    Deno.removeSync(lock.path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
