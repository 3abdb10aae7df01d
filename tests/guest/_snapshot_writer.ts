// In a guest that loses its power: unpacks images with every driver and says of each when it is committed.
// Arguments: the folder with a folder for each disk, and `batch` or `none`: whether it is waited for the disk.
import { type Snapshotter, unpack } from "@containerkit/snapshot";
import { DISKS, layersOf, OPEN } from "./_snapshot_world.ts";

const [base = "", waits = ""] = Deno.args;
const durability = waits === "none" ? "none" : "batch";
const stores: Snapshotter[] = [];
for (const { fstype, drivers } of DISKS) {
  for (const driver of drivers) {
    const root = `${base}/${fstype}/${driver}`;
    Deno.mkdirSync(root);
    stores.push(await OPEN[driver]!({ root }));
  }
}
for (let image = 0;; image++) {
  for (const store of stores) {
    await unpack(layersOf(image), store, { durability });
    // deno-lint-ignore no-console
    console.log("COMMITTED", store.driver, image);
    (await store.prepare(`work-${image}`)).keep();
  }
}
