import { createHash } from "node:crypto";
import { dirname } from "@std/path/posix/dirname";
import { type FileLock, tryLockFile } from "@containerkit/state";
import { STATE } from "./_bundle.ts";
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
  return tryLock(lockPath(runtime, id));
}

/**
 * Keeps others, of whatever state folder and runtime, from making a container in
 * a cgroup: until the first process is in it, it looks free to both of two that
 * come at once, and the one that fails ends all that is in it.
 *
 * @returns The lock; `undefined` if another holds it.
 */
export function tryLockCgroup(cgroupsPath: string): Disposable | undefined {
  const hash = createHash("sha256").update(cgroupsPath).digest("hex");
  // The tree is the machine's, and so is this folder.
  return tryLock(`${STATE}/.cgroup-${hash}.lock`);
}

function tryLock(path: string): Disposable | undefined {
  Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const lock = tryLockFile(path);
  return lock && { [Symbol.dispose]: () => remove(lock) };
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
