import { askMount, UNIQUE } from "./_statmount.ts";
import { listMounts } from "./list_mounts.ts";

/** Whether a mount of this number is still there. */
export function mountExists(id: number): boolean {
  const found = id > UNIQUE ? askMount(id) : "unknown";
  if (found !== "unknown") return found !== undefined;
  return listMounts().some((mount) => mount.id === id);
}
