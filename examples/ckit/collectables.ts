import type { Collectable } from "@containerkit/content";
import { createCollectable } from "@containerkit/distribution/registry";
import type { Context } from "./command.ts";
import { listSandboxes } from "./sandbox_record.ts";
import { openRegistryIndex } from "./registry_index.ts";
import { openSnapshots, snapshotterNames } from "./stores.ts";
import { openVolumeStore } from "./volumes.ts";

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Containers keep their image and their snapshot, and are removed only by name. */
function containersOf(context: Context): Collectable {
  return {
    type: "container",
    async *list() {
      for (const { id, created } of listSandboxes(context)) {
        yield { id, created: new Date(created), root: true };
      }
    },
    async *references(id) {
      const record = listSandboxes(context).find((one) => one.id === id);
      if (record === undefined) return;
      yield { type: "image", id: record.image };
      yield { type: `snapshot/${record.snapshotter}`, id };
    },
    async remove() {},
  };
}

/** Whether the registry of a root was ever used. */
export function hasRegistry(root: string): boolean {
  return exists(`${root}/registry`);
}

/** Whether there is more in a root than content. */
export function hasOthers(root: string): boolean {
  return exists(`${root}/snapshots`) || exists(`${root}/volumes`);
}

/** What the other components of a root keep, as far as they were used there. */
export async function openCollectables(
  context: Context,
): Promise<
  AsyncDisposable & { readonly collectables: readonly Collectable[] }
> {
  const stack = new AsyncDisposableStack();
  const collectables = [containersOf(context)];
  try {
    for (const name of snapshotterNames) {
      if (!exists(`${context.root}/snapshots/${name}`)) continue;
      const snapshotter = stack.use(await openSnapshots(context, name));
      collectables.push(snapshotter.collectable);
    }
    if (exists(`${context.root}/volumes`)) {
      collectables.push(stack.use(await openVolumeStore(context)).collectable);
    }
    if (hasRegistry(context.root)) {
      collectables.push(createCollectable(openRegistryIndex(context.root)));
    }
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
  return {
    collectables,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
