/**
 * Handing descriptors to other processes.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { sockets } from "./_sockets.ts";
import { Arena } from "./arena.ts";
import { errno } from "./errno.ts";
import { Fd } from "./fd.ts";

const EINTR = 4;
const EAGAIN = 11;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_NOSIGNAL = 0x4000;
const MSG_CTRUNC = 8;
const MSG_CMSG_CLOEXEC = 0x40000000;
/** `SCM_MAX_FD`, the kernel's limit. */
const MAX_FDS = 253;
const MAX_SIZE = 65536;
const CMSG_HEADER = 16;
const MSGHDR_SIZE = 56;

/** Options of {@linkcode sendMessage}. */
export interface SendMessageOptions {
  /** Descriptors to hand over, at most 253; they stay open here. */
  fds?: readonly Fd[];
}

/** What {@linkcode receiveMessage} gives. */
export interface ReceivedMessage {
  /** The bytes; empty when the other side is gone. */
  readonly data: Uint8Array<ArrayBuffer>;
  /** The descriptors that came along, close-on-exec and yours to close. */
  readonly fds: Fd[];
}

let arena: Arena | undefined;

/** `struct msghdr` with one `iovec`; gives the places of the three. */
function header(
  size: number,
  controlSize: number,
): { arena: Arena; message: number; data: number; control: number } {
  arena ??= new Arena(MAX_SIZE + 4096);
  arena.reset();
  const message = arena.allocate(MSGHDR_SIZE);
  const iovec = arena.allocate(16);
  const control = arena.allocate(controlSize);
  const data = arena.allocate(size);
  const { view } = arena;
  view.setBigUint64(iovec, arena.addressOf(data), true);
  view.setBigUint64(iovec + 8, BigInt(size), true);
  view.setBigUint64(message + 16, arena.addressOf(iovec), true);
  view.setBigUint64(message + 24, 1n, true);
  if (controlSize > 0) {
    view.setBigUint64(message + 32, arena.addressOf(control), true);
    view.setBigUint64(message + 40, BigInt(controlSize), true);
  }
  return { arena, message, data, control };
}

/**
 * Sends bytes, and descriptors with them, through a unix socket, as sendmsg(2) does with `SCM_RIGHTS`.
 *
 * @param socket The socket.
 * @param data 1 byte to 64 KiB: descriptors travel with the first of them.
 * @param options The descriptors.
 * @returns How many bytes went; `undefined` if the socket is nonblocking and takes none now.
 * @throws {RangeError} If there are more bytes or descriptors than the limits, or no byte.
 * @throws {SyscallError} If the kernel refuses: `EPIPE` if the other side is gone.
 *
 * @example Hand over a file
 * ```ts
 * import { openAt, receiveMessage, sendMessage, socketPair } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const [a, b] = socketPair();
 * using _a = a;
 * using _b = b;
 * using file = openAt(undefined, "/etc/hostname");
 * sendMessage(a, new Uint8Array([1]), { fds: [file] });
 * const message = receiveMessage(b);
 * using copy = message!.fds[0]!;
 * assertEquals(Deno.readLinkSync(`/proc/self/fd/${copy.number}`), "/etc/hostname");
 * ```
 */
export function sendMessage(
  socket: Fd,
  data: Uint8Array,
  options: SendMessageOptions = {},
): number | undefined {
  const { fds = [] } = options;
  if (data.length === 0 || data.length > MAX_SIZE) {
    throw new RangeError(
      `Cannot send ${data.length} bytes in a message: expected 1 to ${MAX_SIZE}`,
    );
  }
  if (fds.length > MAX_FDS) {
    throw new RangeError(
      `Cannot send ${fds.length} descriptors in a message: expected at most ${MAX_FDS}`,
    );
  }
  const length = CMSG_HEADER + fds.length * 4;
  const at = header(data.length, fds.length === 0 ? 0 : (length + 7) & ~7);
  const { bytes, view } = at.arena;
  bytes.set(data, at.data);
  if (fds.length > 0) {
    view.setBigUint64(at.control, BigInt(length), true);
    view.setInt32(at.control + 8, SOL_SOCKET, true);
    view.setInt32(at.control + 12, SCM_RIGHTS, true);
    for (const [index, fd] of fds.entries()) {
      view.setInt32(at.control + CMSG_HEADER + index * 4, fd.number, true);
    }
  }
  const message = bytes.subarray(at.message);
  for (;;) {
    const count = Number(
      sockets().sendmsg(socket.number, message, MSG_NOSIGNAL),
    );
    if (count >= 0) return count;
    const code = errno();
    if (code === EAGAIN) return undefined;
    if (code !== EINTR) throw failure(code, "sendmsg", "send a message");
  }
}

/** Options of {@linkcode receiveMessage}. */
export interface ReceiveMessageOptions {
  /**
   * How many bytes to take at most, up to 64 KiB.
   *
   * @default {4096}
   */
  size?: number;
  /**
   * How many descriptors to take at most; more of them is an error, and all are closed.
   *
   * @default {16}
   */
  maxFds?: number;
}

/**
 * Receives bytes, and the descriptors that came with them, from a unix socket, as recvmsg(2) does.
 *
 * @param socket The socket.
 * @param options How much to take.
 * @returns What came; `undefined` if the socket is nonblocking and nothing is there now.
 * @throws {RangeError} If more is asked for than the limits.
 * @throws {Deno.errors.InvalidData} If more descriptors came than allowed.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Nothing there
 * ```ts
 * import { receiveMessage, socketPair } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const [a, b] = socketPair({ nonblocking: true });
 * using _a = a;
 * using _b = b;
 * assertEquals(receiveMessage(a), undefined);
 * ```
 */
export function receiveMessage(
  socket: Fd,
  options: ReceiveMessageOptions = {},
): ReceivedMessage | undefined {
  const { size = 4096, maxFds = 16 } = options;
  if (!(size > 0 && size <= MAX_SIZE) || !(maxFds >= 0 && maxFds <= MAX_FDS)) {
    throw new RangeError(
      `Cannot receive ${size} bytes and ${maxFds} descriptors: expected at most ${MAX_SIZE} and ${MAX_FDS}`,
    );
  }
  const room = (CMSG_HEADER + maxFds * 4 + 7) & ~7;
  const at = header(size, room);
  const message = at.arena.bytes.subarray(at.message);
  for (;;) {
    const count = Number(
      sockets().recvmsg(socket.number, message, MSG_CMSG_CLOEXEC),
    );
    if (count >= 0) return take(at, { count, maxFds });
    const code = errno();
    if (code === EAGAIN) return undefined;
    if (code !== EINTR) throw failure(code, "recvmsg", "receive a message");
  }
}

function take(
  { arena, message, data, control }: ReturnType<typeof header>,
  { count, maxFds }: { count: number; maxFds: number },
): ReceivedMessage {
  const { view } = arena;
  const fds: Fd[] = [];
  const end = control + Number(view.getBigUint64(message + 40, true));
  for (let at = control; at + CMSG_HEADER <= end;) {
    const length = Number(view.getBigUint64(at, true));
    if (length < CMSG_HEADER) break;
    const isRights = view.getInt32(at + 8, true) === SOL_SOCKET &&
      view.getInt32(at + 12, true) === SCM_RIGHTS;
    for (
      let fd = at + CMSG_HEADER;
      isRights && fd + 4 <= at + length;
      fd += 4
    ) {
      fds.push(new Fd(view.getInt32(fd, true)));
    }
    at += (length + 7) & ~7;
  }
  if (view.getInt32(message + 48, true) & MSG_CTRUNC || fds.length > maxFds) {
    for (const fd of fds) fd.close();
    throw new Deno.errors.InvalidData(
      `Cannot receive the message: it has more than ${maxFds} descriptors`,
    );
  }
  return { data: arena.bytes.slice(data, data + count), fds };
}
