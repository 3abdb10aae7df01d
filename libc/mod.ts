/**
 * System calls of Linux as typed functions, through libc and Deno's FFI.
 *
 * Nothing is opened at import: the library is loaded by the first call.
 *
 * ```ts
 * import { openAt } from "@containerkit/libc";
 * import { assert } from "@std/assert";
 *
 * using fd = openAt(undefined, "/etc/hostname");
 * assert(fd.number > 2);
 * ```
 *
 * @module
 */

export * from "./address_of.ts";
export * from "./arena.ts";
export * from "./breathe.ts";
export * from "./c_string.ts";
export * from "./c_string_once.ts";
export * from "./child_output.ts";
export * from "./chmod_at.ts";
export * from "./chown_at.ts";
export * from "./copy_file_range.ts";
export * from "./errno.ts";
export * from "./errno_name.ts";
export * from "./event_fd.ts";
export * from "./fallocate.ts";
export * from "./fcntl.ts";
export * from "./fd.ts";
export * from "./fsync.ts";
export * from "./inotify.ts";
export * from "./ioctl.ts";
export * from "./libc_path.ts";
export * from "./library.ts";
export * from "./library_call.ts";
export * from "./link_at.ts";
export * from "./message.ts";
export * from "./mkdir_at.ts";
export * from "./mknod_at.ts";
export * from "./open_at.ts";
export * from "./open_at2.ts";
export * from "./path_at.ts";
export * from "./pidfd_open.ts";
export * from "./pidfd_send_signal.ts";
export * from "./pipe.ts";
export * from "./posix_spawn.ts";
export * from "./prctl.ts";
export * from "./read.ts";
export * from "./read_dir.ts";
export * from "./read_link_at.ts";
export * from "./rename_at.ts";
export * from "./seek.ts";
export * from "./stat_at.ts";
export * from "./stat_fs.ts";
export * from "./struct.ts";
export * from "./symlink_at.ts";
export * from "./sync_fs.ts";
export * from "./syscall_error.ts";
export * from "./tee.ts";
export * from "./tracer.ts";
export * from "./truncate.ts";
export * from "./unix_socket.ts";
export * from "./unlink_at.ts";
export * from "./unshare.ts";
export * from "./utimes_at.ts";
export * from "./wait_id.ts";
export * from "./wait_readable.ts";
export * from "./write.ts";
export * from "./xattr.ts";
