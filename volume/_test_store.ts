import { type Mount, mount } from "@containerkit/mount";
import { tempDir } from "@containerkit/tests";
import { openVolumes, type VolumeStore } from "./mod.ts";

/** 1 MiB. */
export const MIB = 1024 * 1024;

/** A store in a folder of its own. */
export interface Fixture extends AsyncDisposable {
  readonly volumes: VolumeStore;
  readonly path: string;
  /** Mounts what an attachment gives, and gives the place. */
  show(mounts: readonly Mount[]): Promise<{ at: string } & AsyncDisposable>;
}

/** Opens a store for one test, in a folder below `base` or the system's for temporary files. */
export async function open(base?: string): Promise<Fixture> {
  const temp = tempDir(base === undefined ? {} : { dir: base });
  const volumes = await openVolumes({
    root: `${temp.path}/lib`,
    state: `${temp.path}/run`,
  });
  return {
    volumes,
    path: temp.path,
    async show(mounts) {
      const at = await Deno.makeTempDir({ dir: temp.path });
      const mounted = await mount(mounts, at);
      return { at, [Symbol.asyncDispose]: () => mounted.unmount() };
    },
    async [Symbol.asyncDispose]() {
      await volumes.prune();
      await volumes[Symbol.asyncDispose]();
      temp[Symbol.dispose]();
    },
  };
}

/** Whether ext4 may grow while it is mounted. */
export function canGrowMounted(): boolean {
  const status = Deno.readTextFileSync("/proc/self/status");
  const effective = BigInt(`0x${/^CapEff:\s*(\S+)/m.exec(status)![1]}`);
  const CAP_SYS_RESOURCE = 24n;
  return (effective >> CAP_SYS_RESOURCE & 1n) === 1n;
}
