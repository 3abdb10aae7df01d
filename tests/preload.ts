// A library that opens on first use would count as a leak of the test that happens to come first:
// every symbol family of every package is opened here, once.
import {
  Arena,
  breathe,
  errno,
  eventFd,
  listXattrs,
  openAt,
  OpenFlag,
  posixSpawn,
  socketPair,
  statFs,
  syncFs,
  waitReadable,
} from "@containerkit/libc";
import { RouteSocket } from "@containerkit/network";
import { applyLayer, openOverlay } from "@containerkit/snapshot";
import { unmount, userNamespace } from "@containerkit/mount";

if (Deno.build.os === "linux") {
  openAt(undefined, "/").close();
  errno();
  statFs("/");
  listXattrs("/");
  for (const socket of socketPair()) socket.close();
  using counter = eventFd(1);
  await waitReadable(counter);
  using shm = openAt(undefined, "/dev/shm", OpenFlag.DIRECTORY);
  await syncFs(shm);
  await breathe();
  await unmount("/dev/shm/none").catch(() => {});
  const ids = [{ inside: 0, outside: 0, size: 1 }];
  try {
    userNamespace({ uids: ids, gids: ids }).close();
  } catch {
    // Not root: opened all the same.
  }
  try {
    posixSpawn("/", [], { stdio: [], env: {} });
  } catch {
    // No program: opened all the same.
  }
  new RouteSocket().close();
  new Arena().addressOf(0);
  const folder = await Deno.makeTempDir();
  // An empty layer of each compression opens what undoes it.
  for (
    const empty of [
      "",
      "1f8b080000000000000303000000000000000000",
      "28b52ffd2000010000",
    ]
  ) {
    const bytes = Uint8Array.fromHex(empty);
    await applyLayer(ReadableStream.from([bytes]), folder);
  }
  try {
    await using snapshots = await openOverlay({ root: folder });
    await snapshots.cleanup();
    await using _snapshot = await snapshots.prepare("a");
  } catch {
    // On a filesystem that cannot hold one: opened all the same.
  }
  await Deno.remove(folder, { recursive: true });
}
