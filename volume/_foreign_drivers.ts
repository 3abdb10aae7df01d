import type { Mount } from "@containerkit/mount";
import type { VolumeDriver } from "./_driver.ts";
import type { VolumeKind } from "./volume_info.ts";

/** What is kept elsewhere: any mount, or a snapshot shown read-only. */
function elsewhere(
  kind: VolumeKind,
  shown: (mount: Mount) => Mount,
): VolumeDriver {
  return {
    kind,
    staging: "attached",
    check({ size, inodes }) {
      if (size !== undefined || inodes !== undefined) {
        throw new TypeError(
          `Cannot limit a volume of kind "${kind}": it is kept elsewhere`,
        );
      }
    },
    create: () => Promise.resolve(),
    mounts: ({ row }) => row.options.mounts!.map(shown),
    resize: () =>
      Promise.reject(
        new Deno.errors.NotSupported(
          `Cannot resize a volume of kind "${kind}": it is kept elsewhere`,
        ),
      ),
  };
}

/** Any other mount. */
export const foreignDriver = elsewhere("foreign", (mount) => mount);

/** A snapshot, read-only. */
export const viewDriver = elsewhere(
  "view",
  (mount) => ({ ...mount, readonly: "recursive" }),
);
