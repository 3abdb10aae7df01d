import { cString, errno, SyscallError } from "@containerkit/libc";
import { symbols } from "./_symbols.ts";

/** What mount(2) reads of its options, in bytes: one page, its NUL included; the rest it drops without a word. */
export const MAX_PAGE = 4095;

/** What mount(2) is asked, and how to speak of it. */
export interface CallMountOptions {
  readonly source?: string;
  readonly target: string;
  readonly type?: string;
  readonly flags?: number;
  readonly data?: string;
  /** What is being done, for errors. */
  readonly action: string;
  /** Paths and the reason of a failure, for its error. */
  readonly describe?: (errno: number) => {
    readonly path?: string;
    readonly target?: string;
    readonly detail: string | undefined;
  };
}

function text(value: string | undefined): Uint8Array<ArrayBuffer> | null {
  return value === undefined ? null : cString(value);
}

/** Calls mount(2) on this thread. */
export function callMount(
  { source, target, type, flags = 0, data, action, describe }: CallMountOptions,
): void {
  const result = symbols().mount(
    text(source),
    cString(target),
    text(type),
    BigInt(flags),
    text(data),
  );
  if (result === 0) return;
  const code = errno();
  throw new SyscallError(action, {
    syscall: "mount",
    errno: code,
    ...describe?.(code),
  });
}
