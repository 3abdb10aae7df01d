// What the tests of containers begin with.
import { makeBusyboxRootfs, tempDir } from "@containerkit/tests";
import { createSpec, type CreateSpecOptions, type Spec } from "./mod.ts";

/** A folder with a root filesystem of busybox. */
export interface Bench extends Disposable {
  readonly folder: string;
  readonly rootfs: string;
  /** Where containers are kept. */
  readonly state: string;
  /** The spec of a container that runs a script. */
  spec(script: string, options?: Partial<CreateSpecOptions>): Promise<Spec>;
}

export function makeBench(): Bench {
  const temp = tempDir();
  const folder = temp.path;
  const rootfs = `${folder}/rootfs`;
  Deno.mkdirSync(rootfs);
  makeBusyboxRootfs(rootfs);
  return {
    folder,
    rootfs,
    state: `${folder}/state`,
    spec: (script, options = {}) =>
      createSpec({}, {
        rootfs,
        args: ["sh", "-c", script],
        seccomp: "unconfined",
        ...options,
      }),
    [Symbol.dispose]: () => temp[Symbol.dispose](),
  };
}
