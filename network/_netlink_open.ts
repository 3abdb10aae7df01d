import { errno, Fd, SyscallError } from "@containerkit/libc";
import { symbols } from "./_libc.ts";

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const SOL_NETLINK = 270;
/** Errors that quote only the header, say what is wrong, and come for unknown fields too. */
const SWITCHES = { CAP_ACK: 10, EXT_ACK: 11, GET_STRICT_CHK: 12 };
const ENOPROTOOPT = 92;
const ON = int32(1);
const KERNEL = int32(AF_NETLINK, 0, 0);

/** Numbers as the kernel takes them. */
export function int32(...values: number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Int32Array.from(values).buffer);
}

function fail(action: string, syscall: string, code: number): never {
  throw new SyscallError(action, { syscall, errno: code });
}

/** Opens and binds; the namespace of the calling thread is the socket's for life. */
export function openNetlink(protocol: number, groups: readonly number[]): Fd {
  const libc = symbols();
  const number = libc.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol);
  if (number < 0) fail("open a netlink socket", "socket", errno());
  const fd = new Fd(number);
  try {
    for (const option of Object.values(SWITCHES)) {
      if (libc.setsockopt(number, SOL_NETLINK, option, ON, 4) === 0) {
        continue;
      }
      const code = errno();
      if (code !== ENOPROTOOPT) fail("set up netlink", "setsockopt", code);
    }
    const mask = groups.reduce((sum, group) => sum | 1 << (group - 1), 0);
    // struct sockaddr_nl { u16 family, u16, u32 port, u32 groups }; the kernel chooses the port.
    const address = mask === 0 ? KERNEL : int32(AF_NETLINK, 0, mask);
    if (libc.bind(number, address, 12) < 0) {
      fail("bind a netlink socket", "bind", errno());
    }
    // Connected to the kernel, nobody else can send to it.
    if (libc.connect(number, KERNEL, 12) < 0) {
      fail("connect to the kernel", "connect", errno());
    }
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}
