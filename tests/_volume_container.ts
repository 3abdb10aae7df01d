/** Containers of the least that runs a shell, with a volume at `/data`. */
import { createSpec, run } from "@containerkit/execution";
import type { VolumeStore } from "@containerkit/volume";

/** How a script in a container ended. */
export interface ScriptResult {
  readonly code: number;
  /** What it said, and what it complained of. */
  readonly output: string;
}

let number = 0;

/**
 * Runs scripts of the shell in containers that have a volume at `/data`.
 *
 * @param volumes The store.
 * @param folder Where the root filesystem and the state of the runtime are.
 */
export function shellWith(
  volumes: VolumeStore,
  folder: string,
): (name: string, script: string) => Promise<ScriptResult> {
  return async (name, script) => {
    await using use = await volumes.attach(name);
    const spec = await createSpec({}, {
      rootfs: `${folder}/rootfs`,
      args: ["sh", "-c", `exec 2>&1; ${script}`],
      mounts: use.mounts.map((mount) => ({ destination: "/data", mount })),
    });
    await using container = await run(`volume-${Deno.pid}-${number++}`, spec, {
      state: `${folder}/run`,
      stdout: "piped",
    });
    const output = await new Response(container.stdout).text();
    return { code: (await container.status).code, output };
  };
}
