import { errno, Fd, SyscallError } from "@containerkit/libc";
import { symbols } from "./_libc.ts";

const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const SOL_SOCKET = 1;
const SO_NETNS_COOKIE = 71;

function fail(syscall: string, code: number): never {
  throw new SyscallError("read the cookie of a network namespace", {
    syscall,
    errno: code,
  });
}

/** The cookie of the namespace that a socket is in. */
export function socketCookie(socket: Fd): bigint {
  const { getsockopt } = symbols();
  const value = new BigUint64Array(1);
  const bytes = new Uint8Array(value.buffer);
  const size = new Uint8Array(Uint32Array.of(8).buffer);
  const { number } = socket;
  if (getsockopt(number, SOL_SOCKET, SO_NETNS_COOKIE, bytes, size) < 0) {
    fail("getsockopt", errno());
  }
  return value[0]!;
}

/** The cookie of the namespace that the thread is in. */
export function ownCookie(): bigint {
  const number = symbols().socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0);
  if (number < 0) fail("socket", errno());
  using socket = new Fd(number);
  return socketCookie(socket);
}
