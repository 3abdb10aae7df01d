import type { Mount } from "@containerkit/mount";
import { resolve } from "@std/path/posix/resolve";
import { openVolumes, type VolumeStore } from "@containerkit/volume";
import { type Context, UsageError } from "./command.ts";
import type { Sandbox } from "./sandbox.ts";

/** What `-v` asks for: a folder of the host, or a volume by name. */
export interface VolumeUse {
  /** An absolute path, or the name of a volume; one that is not there is made. */
  readonly source: string;
  /** Where in the container. */
  readonly destination: string;
  readonly readonly: boolean;
}

/**
 * Reads what `-v` takes: `SOURCE:DESTINATION[:ro]`. A source that begins with `/`, `./` or `../` is a path.
 *
 * @throws {UsageError} If it is something else.
 */
export function parseVolume(text: string): VolumeUse {
  const [source, destination, flag, ...rest] = text.split(":");
  if (
    !source || !destination?.startsWith("/") || rest.length > 0 ||
    (flag !== undefined && flag !== "ro" && flag !== "rw")
  ) {
    throw new UsageError(
      `Cannot use volume "${text}": expected SOURCE:DESTINATION[:ro], with an absolute destination`,
    );
  }
  const isPath = /^\.?\.?(\/|$)/.test(source);
  return {
    source: isPath ? resolve(source) : source,
    destination,
    readonly: flag === "ro",
  };
}

/** Opens the volumes of a root. */
export function openVolumeStore(context: Context): Promise<VolumeStore> {
  return openVolumes({ root: context.root, state: context.state });
}

/** What is mounted for the volumes of a container. They are attached under its name, until the sandbox is removed. */
export async function useVolumes(
  context: Context,
  sandbox: Sandbox,
  uses: readonly VolumeUse[],
): Promise<{ destination: string; mount: Mount }[]> {
  const mounts: { destination: string; mount: Mount }[] = [];
  if (uses.length === 0) return mounts;
  await using volumes = await openVolumeStore(context);
  for (const { source, destination, readonly } of uses) {
    const attributes = readonly ? { readonly: true } : {};
    if (source.startsWith("/")) {
      mounts.push({
        destination,
        mount: { type: "bind", source, recursive: true, ...attributes },
      });
      continue;
    }
    if (volumes.get(source) === undefined) await volumes.create(source);
    const attached = await volumes.attach(source, {
      ...attributes,
      signal: context.signal,
    });
    sandbox.addVolume(attached.id);
    attached.keep();
    mounts.push(
      ...attached.mounts.map((mount) => ({ destination, mount })),
    );
  }
  return mounts;
}
