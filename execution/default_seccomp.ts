/**
 * The filter of system calls that containers get.
 *
 * @module
 */

import { architectureOfMachine, isOlder } from "./_machine.ts";
import type { Seccomp, SeccompArg, SeccompRule } from "./seccomp.ts";
import { ALWAYS, BY_ARCHITECTURE, BY_CAPABILITY } from "./_seccomp_calls.ts";

/** Architectures of the filter by Go's names, the machine's own first. */
const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  amd64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  arm64: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
};
/** The kinds of personality(2) that only change what a program sees. */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];
/** `CLONE_NEW*` without time namespaces, whose bit means a signal in clone(2). */
const NEW_NAMESPACES = 0x7e020000;
const ENOSYS = 38;
const EPERM = 1;

/** Options of {@linkcode defaultSeccomp}. */
export interface DefaultSeccompOptions {
  /**
   * CPU architecture by Go's names.
   *
   * @default the machine's
   */
  architecture?: string;
  /**
   * Capabilities of the bounding set: some open further system calls.
   *
   * @default {[]}
   */
  capabilities?: readonly string[];
  /**
   * Version of the kernel, such as `6.1.0`: before 4.8 ptrace(2) could leave the filter.
   *
   * @default the machine's
   */
  kernel?: string;
  /**
   * Leaves out the 32-bit variants: programs of those are killed, and a
   * container starts about 20 ms sooner with runc.
   *
   * @default {false}
   */
  nativeOnly?: boolean;
}

function allow(names: readonly string[], ...args: SeccompArg[]): SeccompRule {
  return {
    names: [...names],
    action: "SCMP_ACT_ALLOW",
    ...(args.length > 0 ? { args } : {}),
  };
}

/**
 * Makes the filter that Docker and containerd give to containers: everything
 * that is not known to be harmless fails with `EPERM`.
 *
 * @param options Machine and capabilities it is for.
 * @returns The filter, for `linux.seccomp`.
 *
 * @see https://docs.docker.com/engine/security/seccomp/
 *
 * @example Usage
 * ```ts
 * import { defaultSeccomp } from "@containerkit/execution";
 * import { assert } from "@std/assert";
 *
 * const { syscalls = [] } = defaultSeccomp({ architecture: "amd64", kernel: "6.1" });
 * assert(!syscalls.some(({ names }) => names.includes("mount")));
 * ```
 */
export function defaultSeccomp(options: DefaultSeccompOptions = {}): Seccomp {
  const {
    architecture = architectureOfMachine(),
    capabilities = [],
    nativeOnly = false,
  } = options;
  const kernel = options.kernel ?? Deno.osRelease();
  const held = new Set(capabilities);
  const syscalls: SeccompRule[] = [
    allow(ALWAYS),
    ...isOlder(kernel, "4.8")
      ? []
      : [allow(["process_vm_readv", "process_vm_writev", "ptrace"])],
    // All families but AF_ALG (38) and AF_VSOCK (40). Two conditions "not equal" in
    // one rule would be joined by "or" in runc, hence three rules.
    allow(["socket"], { index: 0, value: 38, op: "SCMP_CMP_LT" }),
    allow(["socket"], { index: 0, value: 39, op: "SCMP_CMP_EQ" }),
    allow(["socket"], { index: 0, value: 40, op: "SCMP_CMP_GT" }),
    ...PERSONALITIES.map((value) =>
      allow(["personality"], { index: 0, value, op: "SCMP_CMP_EQ" })
    ),
    ...architecture in BY_ARCHITECTURE
      ? [allow(BY_ARCHITECTURE[architecture]!)]
      : [],
    ...Object.entries(BY_CAPABILITY)
      .filter(([capability]) => held.has(capability))
      .map(([, names]) => allow(names)),
  ];
  if (!held.has("CAP_SYS_ADMIN")) {
    syscalls.push(
      allow(["clone"], {
        index: 0,
        value: NEW_NAMESPACES,
        valueTwo: 0,
        op: "SCMP_CMP_MASKED_EQ",
      }),
      // Its flags are in memory, out of reach of a filter: libc falls back to clone().
      { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS },
    );
  }
  const architectures = ARCHITECTURES[architecture] ?? [];
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: EPERM,
    ...(architectures.length > 0
      ? { architectures: architectures.slice(0, nativeOnly ? 1 : undefined) }
      : {}),
    syscalls,
  };
}
