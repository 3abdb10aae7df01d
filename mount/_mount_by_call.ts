import { type Fd, openAt, OpenFlag } from "@containerkit/libc";
import { mountNumber } from "./_mount_number.ts";
import { agree } from "./_agree.ts";
import { checkMount, onlyLayer } from "./_check_mount.ts";
import { callMount } from "./_call_mount.ts";
import {
  applyByRemount,
  applyPropagationByCall,
} from "./_classic_attributes.ts";
import { explain } from "./_explain.ts";
import {
  btrfs,
  type Filesystem,
  image,
  isReadonlyImage,
  raw,
  tmpfs,
} from "./_filesystems.ts";
import { unmountHere } from "./_long_calls.ts";
import { MountWords } from "./_mount_words.ts";
import { makeErofs } from "./_open_filesystem.ts";
import { openPart } from "./_open_part.ts";
import { mountByPage } from "./_overlay_page.ts";
import { StageDirectory } from "./_stage_directory.ts";
import { openLoopDevice } from "./loop_device.ts";
import type { Mount, MountSource, OverlayMount } from "./mount.ts";

const MS_BIND = 4096;
const MS_MOVE = 8192;
const MS_REC = 16384;
const MNT_DETACH = 2;

/** What stays the same while a mount and what is nested in it are made. */
interface Workshop {
  readonly stage: StageDirectory;
  /** Why it is mount(2). */
  readonly refused: string;
  readonly signal: AbortSignal | undefined;
}

/**
 * Mounts by mount(2) alone, where the newer calls are refused: complete in a
 * place of its own that no other namespace sees, and then moved.
 *
 * @returns The number of the mount.
 */
export async function mountByCall(
  given: Mount,
  target: string,
  options: {
    /** What to call it when it cannot be attached. */
    action: string;
    refused: string;
    signal: AbortSignal | undefined;
  },
): Promise<number> {
  const mount = checkMount(given); // what option words say of propagation too
  using stage = new StageDirectory();
  const place = await make(mount, { stage, ...options });
  options.signal?.throwIfAborted();
  const mountId = mountNumber(undefined, place);
  move(place, target, options.action);
  if (mount.propagation === undefined) return mountId;
  try {
    applyPropagationByCall(target, mount.propagation);
  } catch (error) {
    unmountHere(target, MNT_DETACH);
    throw error;
  }
  return mountId;
}

function move(place: string, target: string, action: string): void {
  callMount({
    source: place,
    target,
    flags: MS_MOVE,
    action,
    describe: (errno) => ({
      target,
      detail: agree(place, target)
        ? explain(errno, { call: "mount" })
        : "one is a directory and the other is not",
    }),
  });
}

/** Makes it on the stage, with its attributes, and gives where. */
async function make(given: Mount, workshop: Workshop): Promise<string> {
  workshop.signal?.throwIfAborted();
  const mount = checkMount(given);
  if (mount.idmap !== undefined) {
    throw new Deno.errors.NotSupported(
      `Cannot map the ids of the mount: only mount_setattr(2) can, and ${workshop.refused}`,
    );
  }
  const whole = await build(mount, workshop);
  const isPart = mount.subpath !== undefined && mount.type !== "bind";
  const place = isPart
    ? bindPart(whole, mount, { stage: workshop.stage })
    : whole;
  applyByRemount(
    place,
    mount.type === "overlay" && mount.upper === undefined
      ? { ...mount, readonly: mount.readonly || true }
      : mount,
  );
  return place;
}

async function build(mount: Mount, workshop: Workshop): Promise<string> {
  const { stage } = workshop;
  const make = (filesystem: Filesystem) => mountFilesystem(filesystem, stage);
  switch (mount.type) {
    case "bind":
      return bindPart(mount.source, mount, {
        stage,
        recursive: mount.recursive ?? false,
      });
    case "tmpfs":
      return await make(tmpfs(mount));
    case "erofs":
      return await makeErofs(mount, make);
    case "btrfs":
      return await make(btrfs(mount));
    case "image": {
      using device = openLoopDevice(mount.source, {
        readonly: isReadonlyImage(mount),
      });
      return await make(image(mount, device));
    }
    case "overlay":
      return await mountOverlay(mount, workshop);
    case "raw":
      return await make(raw(mount));
  }
}

async function mountFilesystem(
  { type, file, configure, isReadonly }: Filesystem,
  stage: StageDirectory,
): Promise<string> {
  using words = new MountWords(type, file);
  configure(words);
  if (isReadonly) words.flag("ro");
  const place = stage.makeDirectory();
  await words.mount(place);
  return place;
}

/** Shows a directory or file, or a part of it that is found without leaving it. */
function bindPart(
  source: string,
  mount: Mount,
  { stage, recursive = false }: { stage: StageDirectory; recursive?: boolean },
): string {
  using stack = new DisposableStack();
  const { subpath } = mount;
  const action = subpath === undefined
    ? `bind "${source}"`
    : `bind its part "${subpath}"`;
  let shown: string | Fd = source;
  if (subpath !== undefined) {
    const root = stack.use(openAt(undefined, source, OpenFlag.PATH));
    shown = stack.use(openPart(root, subpath, mount));
  }
  const directory = stage.makeDirectory();
  const place = agree(shown, directory) ? directory : stage.makeFile();
  callMount({
    source: typeof shown === "string" ? shown : `/proc/self/fd/${shown.number}`,
    target: place,
    flags: MS_BIND | (recursive ? MS_REC : 0),
    action,
    describe: (errno) => ({
      path: source,
      detail: explain(errno, { call: "open_tree" }),
    }),
  });
  return place;
}

async function mountOverlay(
  mount: OverlayMount,
  workshop: Workshop,
): Promise<string> {
  const only = onlyLayer(mount);
  if (only !== undefined) return await make(only, workshop);
  const names = async (sources: readonly MountSource[]) => {
    const places: string[] = [];
    for (const source of sources) {
      places.push(
        typeof source === "string" ? source : await make(source, workshop),
      );
    }
    return places;
  };
  const lower = await names(mount.lower);
  const data = await names(mount.data ?? []);
  const place = workshop.stage.makeDirectory();
  mountByPage(mount, { lower, data, place });
  return place;
}
