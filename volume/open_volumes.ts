/**
 * Opening a store of volumes.
 *
 * @module
 */

import { openState } from "@containerkit/state";
import { recover } from "./_recover.ts";
import { MIGRATIONS } from "./_schema.ts";
import { VolumeStore } from "./volume_store.ts";

/** What opening the store and removing a volume takes of a disk that is full otherwise, and some more. */
const RESERVE = 256 * 1024;

/** Options of {@linkcode openVolumes}. */
export interface OpenVolumesOptions {
  /**
   * Where containerkit keeps what survives a boot; made if it is not there. Volumes are in `volumes` of it.
   *
   * @default {"/var/lib/containerkit"}
   */
  readonly root?: string;
  /**
   * Where containerkit keeps what does not survive a boot; made if it is not there. Volumes are mounted in `volumes` of it.
   *
   * @default {"/run/containerkit"}
   */
  readonly state?: string;
}

/**
 * Opens a store of volumes, and settles what a dead process or the last boot left unfinished. Requires root and
 * `--allow-all`, as all that mounts does.
 *
 * @param options Where it is.
 * @returns The open store.
 * @throws {StateVersionError} If a newer program wrote it.
 *
 * @example Usage
 * ```ts ignore
 * import { openVolumes } from "@containerkit/volume";
 *
 * await using volumes = await openVolumes();
 * await volumes.create("data");
 * ```
 */
export async function openVolumes(
  options: OpenVolumesOptions = {},
): Promise<VolumeStore> {
  const base = await makeFolder(options.root ?? "/var/lib/containerkit");
  const root = await makeFolder(`${base}/volumes`);
  for (const name of ["data", "trash", "locks"]) {
    await makeFolder(`${root}/${name}`);
  }
  const staging = await makeFolder(
    `${options.state ?? "/run/containerkit"}/volumes`,
  );
  const state = openState(`${root}/state.db`, {
    migrations: MIGRATIONS,
    reserve: RESERVE,
  });
  const store = { state, root, staging, gcLock: `${base}/gc.lock` };
  try {
    await recover(store);
  } catch (error) {
    state.close();
    throw error;
  }
  return new VolumeStore(store);
}

/** Makes a folder unless it is there, and gives its absolute path: what is mounted is named by it. */
async function makeFolder(path: string): Promise<string> {
  await Deno.mkdir(path, { recursive: true, mode: 0o700 });
  return await Deno.realPath(path);
}
