import type { Collectable } from "@containerkit/content";
import { openOverlay, openTarindex } from "@containerkit/snapshot";
import type { Context } from "./command.ts";

const DRIVERS = { overlay: openOverlay, tarindex: openTarindex } as const;

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** What the other components of a root keep, as far as they were used there. */
export async function openCollectables(
  { root, state }: Context,
): Promise<
  AsyncDisposable & { readonly collectables: readonly Collectable[] }
> {
  const stack = new AsyncDisposableStack();
  const collectables: Collectable[] = [];
  try {
    for (const [name, open] of Object.entries(DRIVERS)) {
      if (!exists(`${root}/snapshots/${name}`)) continue;
      const snapshotter = stack.use(await open({ root, state }));
      collectables.push(snapshotter.collectable);
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
