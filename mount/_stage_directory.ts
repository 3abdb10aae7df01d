import {
  cString,
  errno,
  type Fd,
  mkdirAt,
  SyscallError,
  unlinkAt,
} from "@containerkit/libc";
import { callMount } from "./_call_mount.ts";
import { explain } from "./_explain.ts";
import { FsContext } from "./_fs_context.ts";
import { refusedMountApi } from "./_mount_api.ts";
import { symbols } from "./_symbols.ts";
import { MountFd } from "./mount_fd.ts";

const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;
const MS_PRIVATE = 1 << 18;

/**
 * A place where mounts are attached for a moment, for kernels that take no mount
 * that is attached nowhere: a small filesystem of its own, so that one call takes
 * everything away. What was made of it by then lives on.
 */
export class StageDirectory implements Disposable {
  readonly path: string;
  #count = 0;

  constructor() {
    this.path = Deno.makeTempDirSync({ prefix: "containerkit-stage-" });
    try {
      if (refusedMountApi() !== undefined) {
        mountByCall(this.path);
        return;
      }
      using context = new FsContext("tmpfs");
      context.set("source", "containerkit-stage");
      context.set("mode", "700");
      context.create();
      using tree = new MountFd(context.mount(0), { propagation: "private" });
      tree.attach(this.path);
    } catch (error) {
      unlinkAt(undefined, this.path, { directory: true });
      throw error;
    }
  }

  /** An empty directory in it. */
  makeDirectory(): string {
    const path = `${this.path}/${this.#count++}`;
    mkdirAt(undefined, path, 0o700);
    return path;
  }

  /** An empty file in it. */
  makeFile(): string {
    const path = `${this.path}/${this.#count++}`;
    Deno.writeFileSync(path, new Uint8Array(), {
      createNew: true,
      mode: 0o600,
    });
    return path;
  }

  /** Attaches a mount in it; its descriptor is closed. */
  attach(tree: Fd): string {
    const path = this.makeDirectory();
    new MountFd(tree).attach(path);
    return path;
  }

  [Symbol.dispose](): void {
    const flags = MNT_DETACH | UMOUNT_NOFOLLOW;
    if (symbols().umount2(cString(this.path), flags) !== 0) {
      const code = errno();
      throw new SyscallError(`unmount "${this.path}"`, {
        syscall: "umount2",
        errno: code,
        path: this.path,
      });
    }
    unlinkAt(undefined, this.path, { directory: true });
  }
}

/** The same small filesystem where only mount(2) is allowed. */
function mountByCall(path: string): void {
  const call = {
    target: path,
    action: `mount a place to work in on "${path}"`,
    describe: (errno: number) => ({
      detail: explain(errno, { call: "mount" }),
    }),
  };
  const source = "containerkit-stage";
  callMount({ ...call, source, type: "tmpfs", data: "mode=700" });
  try {
    callMount({ ...call, flags: MS_PRIVATE });
  } catch (error) {
    symbols().umount2(cString(path), MNT_DETACH | UMOUNT_NOFOLLOW);
    throw error;
  }
}
