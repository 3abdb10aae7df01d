import {
  isStaged,
  placeOf,
  stage,
  type Store,
  unstage,
  whileStaging,
} from "./_stage.ts";
import { users } from "./_attachments.ts";
import type { BindMount } from "@containerkit/mount";
import type { Place } from "./_driver.ts";
import { driverOf } from "./_drivers.ts";
import { requireStill, type Row } from "./_row.ts";

/** Where the root of a volume is that needs no mount: what it shows is a folder. */
function unstagedRoot(place: Place): string {
  const [mount] = driverOf(place.row.kind).mounts(place);
  return (mount as BindMount).source;
}

/** Calls a function with the root of a volume, which is mounted for it if need be. */
export async function whileMounted<T>(
  store: Store,
  row: Row,
  signal: AbortSignal | undefined,
  fn: (root: string) => Promise<T>,
): Promise<T> {
  const place = placeOf(store, row);
  if (!isStaged(place)) return await fn(unstagedRoot(place));
  return await whileStaging(place, signal, async () => {
    requireStill(store.state, row);
    await stage(place, signal);
    try {
      return await fn(place.staged);
    } finally {
      const needed = driverOf(row.kind).staging === "boot" ||
        users(store.state, row.id).length > 0;
      if (!needed) await unstage(place);
    }
  });
}
