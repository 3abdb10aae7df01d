/**
 * Mounts as containerd writes them.
 *
 * @module
 */

import { optionValue, splitLayers, unescapeWord } from "./_overlay_words.ts";
import type {
  ErofsMount,
  IdMap,
  IdMapRange,
  ImageMount,
  Mount,
  MountAttributes,
  OverlayMount,
  TmpfsMount,
} from "./mount.ts";
import { parseOptions } from "./parse_options.ts";

/** A mount of containerd, and in the same form of a runtime's configuration. */
export interface ContainerdMount {
  /** The filesystem, or `bind`. */
  readonly type: string;
  /** What is mounted. */
  readonly source: string;
  /** Option words of mount(8). */
  readonly options?: readonly string[];
}

/**
 * Reads a mount of containerd: its triple becomes the narrowest type it fits, and what fits none stays a triple. What
 * containerd does itself is read too: a file as a device (`loop`), and ids shown as others (`uidmap=` with `gidmap=`).
 *
 * @param mount The triple.
 * @returns The mount.
 * @throws {TypeError} If it needs containerd's mount manager (types such as `format/overlay`), changes an existing mount, or contradicts itself.
 * @throws {SyntaxError} If the layers of an overlay, or a map of ids, cannot be read.
 *
 * @example Usage
 * ```ts
 * import { fromContainerd } from "@containerkit/mount";
 * import { assertEquals } from "@std/assert";
 *
 * const triple = { type: "overlay", source: "overlay", options: ["lowerdir=/b:/a", "ro"] };
 * assertEquals(fromContainerd(triple), {
 *   type: "overlay",
 *   lower: ["/b", "/a"],
 *   readonly: true,
 * });
 * ```
 */
export function fromContainerd(mount: ContainerdMount): Mount {
  const { type, source, options = [] } = mount;
  if (type.includes("/")) {
    throw new TypeError(
      `Cannot read the mount: type "${type}" is an instruction to containerd's mount manager`,
    );
  }
  const parsed = parseOptions(options);
  const { data, loop, ...mapped } = takeOwnWords(parsed.data);
  const attributes = { ...parsed.attributes, ...mapped };
  if (parsed.remount) {
    throw new TypeError(
      "Cannot read the mount: it changes an existing one (remount)",
    );
  }
  if (parsed.bind !== undefined || type === "bind") {
    if (data.length > 0) {
      throw new TypeError(
        `Cannot bind "${source}" with "${
          data[0]
        }": a bind has no options of a filesystem`,
      );
    }
    return {
      type: "bind",
      source,
      ...(parsed.bind === "rbind" ? { recursive: true } : {}),
      ...attributes,
    };
  }
  const narrow = type === "overlay"
    ? overlay(data)
    : type === "tmpfs"
    ? tmpfs(data)
    : type === "erofs"
    ? erofs(source, data)
    : loop && isImageType(type)
    ? { type: "image" as const, source, fstype: type, options: data }
    : undefined;
  return narrow === undefined
    ? rawMount(mount, loop ? [...data, "loop"] : data, attributes)
    : { ...narrow, ...attributes };
}

/** Words that containerd keeps for itself, as mount(8) does with one of them: a file as a device, and ids shown as others. */
function takeOwnWords(
  words: readonly string[],
): { data: readonly string[]; loop: boolean; idmap?: IdMap } {
  const data: string[] = [];
  const maps: { uidmap?: IdMapRange[]; gidmap?: IdMapRange[] } = {};
  for (const word of words) {
    const [key, value] = splitOption(word);
    if (key === "uidmap" || key === "gidmap") maps[key] = idRanges(word, value);
    else data.push(word);
  }
  const loop = data.includes("loop");
  const { uidmap: uids, gidmap: gids } = maps;
  if ((uids === undefined) !== (gids === undefined)) {
    throw new TypeError(
      'Cannot read the mount: "uidmap" and "gidmap" go together',
    );
  }
  return {
    // How the device reads the file is left to the kernel.
    data: loop
      ? data.filter((word) => word !== "loop" && word !== "direct-io")
      : data,
    loop,
    ...(uids === undefined ? {} : { idmap: { uids, gids: gids! } }),
  };
}

/** `inside:outside:size`, several with commas between. */
function idRanges(word: string, value: string | true): IdMapRange[] {
  return String(value).split(",").map((range) => {
    const [, inside, outside, size] = /^(\d+):(\d+):(\d+)$/.exec(range) ?? [];
    if (size === undefined) {
      throw new SyntaxError(
        `Cannot read the mount: "${word}" is no map of ids as inside:outside:size`,
      );
    }
    return {
      inside: Number(inside),
      outside: Number(outside),
      size: Number(size),
    };
  });
}

function isImageType(type: string): type is ImageMount["fstype"] {
  return ["ext4", "xfs", "squashfs", "btrfs"].includes(type);
}

function rawMount(
  { type, source }: ContainerdMount,
  data: readonly string[],
  attributes: MountAttributes,
): Mount {
  return { type: "raw", fstype: type, source, options: data, ...attributes };
}

function splitOption(option: string): [key: string, value: string | true] {
  const equals = option.indexOf("=");
  return equals === -1
    ? [option, true]
    : [option.slice(0, equals), option.slice(equals + 1)];
}

function overlay(data: readonly string[]): OverlayMount {
  const lower: string[] = [];
  const dataOnly: string[] = [];
  const options: Record<string, string | true> = {};
  const paths: { upper?: string; work?: string } = {};
  let isVolatile = false;
  for (const option of data) {
    const [key, value] = splitOption(option);
    if (value === true) {
      if (key === "volatile") isVolatile = true;
      else options[key] = true;
      continue;
    }
    switch (key) {
      case "lowerdir": {
        const layers = splitLayers(value);
        lower.push(...layers.lower);
        dataOnly.push(...layers.data);
        break;
      }
      case "lowerdir+":
        lower.push(value);
        break;
      case "datadir+":
        dataOnly.push(value);
        break;
      case "upperdir":
        paths.upper = unescapeWord(value);
        break;
      case "workdir":
        paths.work = unescapeWord(value);
        break;
      default:
        options[key] = optionValue(key, value);
    }
  }
  return {
    type: "overlay",
    lower,
    ...(dataOnly.length > 0 ? { data: dataOnly } : {}),
    ...paths,
    ...(isVolatile ? { volatile: true } : {}),
    ...(Object.keys(options).length > 0 ? { options } : {}),
  };
}

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
};

/** Only size and mode in numbers; `undefined` when there is more to it. */
function tmpfs(data: readonly string[]): TmpfsMount | undefined {
  const mount: { size?: number; mode?: number } = {};
  for (const option of data) {
    const [key, value] = splitOption(option);
    const size = /^(\d+)([kmg]?)$/i.exec(String(value));
    if (key === "size" && size !== null) {
      mount.size = Number(size[1]) * UNITS[size[2]!.toLowerCase()]!;
    } else if (key === "mode" && /^[0-7]{1,5}$/.test(String(value))) {
      mount.mode = parseInt(String(value), 8);
    } else return undefined;
  }
  return { type: "tmpfs", ...mount };
}

function erofs(
  source: string,
  data: readonly string[],
): ErofsMount | undefined {
  const devices: string[] = [];
  for (const option of data) {
    const [key, value] = splitOption(option);
    if (key !== "device" || value === true) return undefined;
    devices.push(value);
  }
  return {
    type: "erofs",
    source,
    ...(devices.length > 0 ? { devices } : {}),
  };
}
