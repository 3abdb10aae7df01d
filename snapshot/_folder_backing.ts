import type { Backing } from "./_whole.ts";
import type { Capability } from "./snapshotter.ts";

/** Where the folder of a snapshot has what it holds. */
export const contentOf = ({ dir }: { dir: string }): string => `${dir}/fs`;

/** What all that keep a snapshot as a folder with everything in it have in common. */
export function folderBacking(
  sizeLimit: Capability,
): Pick<Backing, "capabilities" | "open" | "mount"> {
  return {
    capabilities: {
      sizeLimit,
      idmap: { supported: true },
      volatile: { supported: false, reason: "there is no overlay to tell" },
    },
    open: (folder) =>
      Promise.resolve({
        path: contentOf(folder),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }),
    mount: (folder) => ({
      type: "bind",
      source: contentOf(folder),
      recursive: true,
    }),
  };
}
