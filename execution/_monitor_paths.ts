import { openAt, OpenFlag } from "@containerkit/libc";

/** The address of a unix socket has room for 107 bytes. */
const MAX_PATH = 107;

/** Where a folder's monitor is found. */
export interface MonitorPaths extends Disposable {
  /** Its socket; by way of the open folder if the path is too long for an address. */
  readonly socket: string;
  /** Locked while there is one. */
  readonly lock: string;
}

/** The paths of the monitor of a folder, usable until disposed. */
export function monitorPaths(state: string): MonitorPaths {
  const socket = `${state}/monitor.sock`;
  const lock = `${state}/monitor.lock`;
  if (new TextEncoder().encode(socket).length <= MAX_PATH) {
    return { socket, lock, [Symbol.dispose]() {} };
  }
  const folder = openAt(undefined, state, OpenFlag.DIRECTORY | OpenFlag.PATH);
  return {
    socket: `/proc/self/fd/${folder.number}/monitor.sock`,
    lock,
    [Symbol.dispose]: () => folder.close(),
  };
}
