/**
 * Filters of system calls as types.
 *
 * @module
 */

/** What happens at a system call. */
export type SeccompAction =
  | "SCMP_ACT_KILL"
  | "SCMP_ACT_KILL_PROCESS"
  | "SCMP_ACT_KILL_THREAD"
  | "SCMP_ACT_TRAP"
  | "SCMP_ACT_ERRNO"
  | "SCMP_ACT_TRACE"
  | "SCMP_ACT_ALLOW"
  | "SCMP_ACT_LOG"
  | "SCMP_ACT_NOTIFY";

/** How an argument is compared. */
export type SeccompOperator =
  | "SCMP_CMP_NE"
  | "SCMP_CMP_LT"
  | "SCMP_CMP_LE"
  | "SCMP_CMP_EQ"
  | "SCMP_CMP_GE"
  | "SCMP_CMP_GT"
  | "SCMP_CMP_MASKED_EQ";

/** A condition on one argument of a system call. */
export interface SeccompArg {
  /** Which argument, from 0. */
  index: number;
  /** What it is compared with; the mask of `SCMP_CMP_MASKED_EQ`. */
  value: number;
  /** What the masked argument must be. */
  valueTwo?: number;
  /** How. */
  op: SeccompOperator;
}

/** What happens at some system calls. */
export interface SeccompRule {
  /** Names of system calls; those that the machine does not have are skipped. */
  names: string[];
  /** What happens. */
  action: SeccompAction;
  /** The error given by `SCMP_ACT_ERRNO`. */
  errnoRet?: number;
  /** Conditions that must all hold. */
  args?: SeccompArg[];
}

/** A filter of system calls, as `linux.seccomp` of the OCI runtime specification. */
export interface Seccomp {
  /** What happens at a system call that no rule matches. */
  defaultAction: SeccompAction;
  /** The error given by a default of `SCMP_ACT_ERRNO`; 1 (`EPERM`) without it. */
  defaultErrnoRet?: number;
  /** Such as `SCMP_ARCH_X86_64`; programs of other ones are killed. */
  architectures?: string[];
  /** Such as `SECCOMP_FILTER_FLAG_LOG`. */
  flags?: string[];
  /** Socket that gets the descriptor of `SCMP_ACT_NOTIFY`. */
  listenerPath?: string;
  /** Told to that socket. */
  listenerMetadata?: string;
  /** The rules. */
  syscalls?: SeccompRule[];
}

/** When a rule of a {@linkcode SeccompProfile} holds. */
export interface SeccompConditions {
  /** Architectures by Go's names. */
  readonly arches?: readonly string[] | null;
  /** Capabilities in the bounding set, such as `CAP_SYS_ADMIN`. */
  readonly caps?: readonly string[] | null;
  /** The kernel is of this version, such as `4.8`, or a later one. */
  readonly minKernel?: string | null;
}

/** A rule of a {@linkcode SeccompProfile}. */
export interface SeccompProfileRule extends Omit<SeccompRule, "names"> {
  /** Names of system calls. */
  readonly names?: string[];
  /** One name, as older files have it. */
  readonly name?: string;
  /** What it is for. */
  readonly comment?: string;
  /** It holds only where all of this is so. */
  readonly includes?: SeccompConditions | null;
  /** It does not hold where any of this is so. */
  readonly excludes?: SeccompConditions | null;
}

/**
 * A filter as the files of Docker and Podman have it: some rules hold on some
 * machines, or with some capabilities alone. `createSpec()` resolves it.
 */
export interface SeccompProfile extends Omit<Seccomp, "syscalls"> {
  /** Architectures by that of the machine, instead of `architectures`. */
  readonly archMap?:
    | readonly {
      readonly architecture: string;
      readonly subArchitectures?: readonly string[] | null;
    }[]
    | null;
  /** The rules. */
  readonly syscalls?: readonly SeccompProfileRule[];
}
