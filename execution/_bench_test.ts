// What the tests of containers begin with.
import { makeBusyboxRootfs, tempDir, until } from "@containerkit/tests";
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

/** Processes with a word in their command line. */
export function processesWith(word: string): number[] {
  return [...Deno.readDirSync("/proc")].flatMap(({ name }) => {
    try {
      const line = Deno.readTextFileSync(`/proc/${name}/cmdline`);
      return line.split("\0").includes(word) ? [Number(name)] : [];
    } catch {
      return []; // no process, or it has gone
    }
  });
}

/** A bench whose monitor ends with it. */
export function makeMonitored() {
  const bench = makeBench();
  const { folder, state, spec } = bench;
  return {
    folder,
    state,
    spec,
    async [Symbol.asyncDispose]() {
      await until("the end", () => monitorPids(state).length === 0);
      bench[Symbol.dispose]();
    },
  };
}

/** The monitors of a folder. */
export function monitorPids(state: string): number[] {
  const monitors = processesWith(import.meta.resolve("./monitor_main.ts"));
  return processesWith(state).filter((pid) => monitors.includes(pid));
}
