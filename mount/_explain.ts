/** What is known of a refused call. */
interface Circumstances {
  readonly call: string;
  readonly type?: string | undefined;
  readonly option?: string | undefined;
  readonly path?: string | undefined;
}

const EPERM = 1;
const ENOENT = 2;
const EBUSY = 16;
const ENODEV = 19;
const ENOTDIR = 20;
const EINVAL = 22;
const ENOTBLK = 15;
const EROFS = 30;
const ELOOP = 40;
const ENOSYS = 38;
const EOVERFLOW = 75;
const EUCLEAN = 117;

function isMountPoint(call: string): boolean {
  return call === "move_mount" || call === "mount";
}

/** The reason in plain words, where the number alone does not say it. */
export function explain(
  code: number,
  { call, type, option }: Circumstances,
): string | undefined {
  switch (code) {
    case EPERM:
      return "it takes CAP_SYS_ADMIN in the user namespace that owns the mount namespace";
    case ENOSYS:
      return "the kernel does not have this call, or a seccomp filter hides it";
    case ENODEV:
      return type === undefined
        ? undefined
        : `the kernel has no filesystem "${type}", or its module is not loaded`;
    case ENOTBLK:
      return `${
        type ?? "the filesystem"
      } cannot be mounted from a plain file on this kernel`;
    case ENOENT:
      if (isMountPoint(call)) return "the place of the mount does not exist";
      return call === "open_tree" ? "the source does not exist" : undefined;
    case ENOTDIR:
      return isMountPoint(call)
        ? "one is a directory and the other is not"
        : undefined;
    case EROFS:
      return "the device or file is read-only: add readonly";
    case ELOOP:
      return call === "move_mount"
        ? "the mount would be below itself"
        : type === "overlay"
        ? "a layer, upper or work is inside another"
        : undefined;
    case EBUSY:
      return type === "overlay"
        ? "another overlay has this upper or work directory"
        : undefined;
    case EUCLEAN:
      return "the filesystem is damaged";
    case EOVERFLOW:
      return "the caller's own ids have none in the map";
    case EINVAL:
      return explainInvalid(call, type, option);
  }
}

function explainInvalid(
  call: string,
  type: string | undefined,
  option: string | undefined,
): string | undefined {
  if (isMountPoint(call)) {
    return "the mount is attached already, or its place is not in this mount namespace";
  }
  if (call === "open_tree") {
    return "the source is unbindable or not in this mount namespace";
  }
  if (call === "mount_setattr") {
    return "the filesystem cannot show other ids on this kernel (overlay: map its layers), or the mount is attached already";
  }
  if (call === "umount2") return "it is no mount point";
  if (type === "overlay" && option === undefined) {
    return "the layers do not go together (the kernel's log has more): an upper that was volatile and not cleaned, an upper on another overlay or on a filesystem without xattrs, a work directory inside the upper, or options that exclude each other such as userxattr and metacopy";
  }
  if (option !== undefined) {
    return `the filesystem does not know the option or its value`;
  }
  return "it is no filesystem of this type, or it has features this kernel does not know";
}
