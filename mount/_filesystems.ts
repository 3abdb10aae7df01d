import type { LoopDevice } from "./loop_device.ts";
import type { BtrfsMount, ImageMount, RawMount, TmpfsMount } from "./mount.ts";

/** Where options of a filesystem go: a context of fsopen(2), or the words of mount(2). */
export interface FilesystemOptions {
  /** Sets an option that has a value. */
  set(key: string, value: string): void;
  /** Sets an option that is a file, of any length of path. */
  setPath(key: string, path: string): void;
  /** Sets an option that is a word alone. */
  flag(key: string): void;
}

/** What a filesystem is made of. */
export interface Filesystem {
  readonly type: string;
  /** Sets the options. */
  configure(context: FilesystemOptions): void;
  /** The file it is in, where its source is a device that was made for it. */
  readonly file?: string;
  /** Whether the filesystem itself, not only this mount of it, refuses writes. */
  readonly isReadonly?: boolean;
}

export function tmpfs(mount: TmpfsMount): Filesystem {
  return {
    type: "tmpfs",
    configure(context) {
      context.set("source", "tmpfs");
      if (mount.size !== undefined) context.set("size", String(mount.size));
      if (mount.mode !== undefined) {
        context.set("mode", mount.mode.toString(8));
      }
    },
  };
}

export function btrfs(mount: BtrfsMount): Filesystem {
  return {
    type: "btrfs",
    configure(context) {
      context.setPath("source", mount.device);
      context.set("subvolid", String(mount.subvolid));
    },
  };
}

/** Sets options as mount(8) takes them: `key=value`, or a word alone. */
function setOptions(
  context: FilesystemOptions,
  options: readonly string[],
): void {
  for (const option of options) {
    const equals = option.indexOf("=");
    if (equals === -1) context.flag(option);
    else context.set(option.slice(0, equals), option.slice(equals + 1));
  }
}

export function erofs(source: string, devices: readonly string[]): Filesystem {
  return {
    type: "erofs",
    isReadonly: true,
    configure(context) {
      context.setPath("source", source);
      for (const device of devices) context.setPath("device", device);
    },
  };
}

export function image(mount: ImageMount, device: LoopDevice): Filesystem {
  const isReadonly = isReadonlyImage(mount);
  return {
    type: mount.fstype,
    file: mount.source,
    isReadonly,
    configure(context) {
      context.set("source", device.path);
      setOptions(
        context,
        (mount.options ?? []).filter((option) => option !== "ro"),
      );
    },
  };
}

export function isReadonlyImage(mount: ImageMount): boolean {
  return mount.fstype === "squashfs" || Boolean(mount.readonly) ||
    (mount.options ?? []).includes("ro");
}

export function raw(mount: RawMount): Filesystem {
  // Such as fuse.sshfs: what stands behind the dot is for people.
  const [type, subtype] =
    /^(fuse|fuseblk)\.(.+)$/.exec(mount.fstype)?.slice(1) ??
      [mount.fstype];
  return {
    type: type!,
    isReadonly: Boolean(mount.readonly),
    configure(context) {
      if (mount.source !== "") context.setPath("source", mount.source);
      if (subtype !== undefined) context.set("subtype", subtype);
      setOptions(context, mount.options);
    },
  };
}
