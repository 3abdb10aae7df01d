import type { ContainerInfo, Spec } from "@containerkit/execution";
import { resolve } from "@std/path/posix/resolve";
import { locate, type Tree, type TreeMount } from "./locate.ts";

/** The files of a container as it was made, whether it runs or has ended: its root filesystem and what is bound into that. */
export function containerTree({ id, bundle }: ContainerInfo): Tree {
  const spec: Spec = JSON.parse(
    Deno.readTextFileSync(`${bundle}/config.json`),
  );
  const { path = "rootfs", readonly = false } = spec.root ?? {};
  const mounts = new Map<string, TreeMount>();
  const root = resolve(bundle, path);
  const tree: Tree = { prefix: `${id}:`, root, readonly, mounts };
  for (const mount of spec.mounts ?? []) {
    const { destination, source = "", type = "none", options = [] } = mount;
    const isBind = options.includes("bind") || options.includes("rbind");
    try {
      // As the runtime does: in this order, each in those before.
      using place = locate(tree, destination, true);
      mounts.set(`/${place.path.join("/")}`, {
        type: isBind ? "bind" : type,
        source,
        readonly: options.includes("ro"),
      });
    } catch (error) {
      // What is in one that only the container sees is not found anyway.
      const isHidden = error instanceof Deno.errors.NotSupported ||
        error instanceof Deno.errors.NotFound;
      if (!isHidden) throw error;
    }
  }
  return tree;
}
