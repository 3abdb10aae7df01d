/**
 * The error of a refused netlink request.
 *
 * @module
 */

import { errnoName } from "@containerkit/libc";

/** What an error without the kernel's own text means here. */
const REASONS: Readonly<Record<string, string>> = {
  EPERM: "not permitted: CAP_NET_ADMIN is needed in that namespace",
  ENOENT: "there is no such thing",
  ESRCH: "there is no such route or process",
  EBUSY: "it is in use",
  EEXIST: "it exists already",
  ENODEV: "there is no such link",
  EINVAL: "the kernel takes it as invalid",
  ENOSPC: "the kernel has no more room for it",
  ERANGE: "a value is out of range",
  ERESTART: "something else changed in the meantime",
  EOPNOTSUPP: "this kernel does not support it",
  ENETDOWN: "the link is down",
  ENETUNREACH: "the network is not reachable",
  ENOBUFS: "the socket's buffer overflowed",
  EADDRNOTAVAIL: "there is no such address",
};

/** What {@linkcode NetlinkError} is made of. */
export interface NetlinkErrorDetails {
  /** The kernel's number, positive. */
  readonly errno: number;
  /** The kernel's own text, of its extended acknowledgement. */
  readonly kernelMessage?: string | undefined;
  /** Which byte of the request is wrong, counted from its header. */
  readonly offset?: number | undefined;
  /** The type of the attribute that is missing. */
  readonly missing?: number | undefined;
}

/**
 * A request that the kernel refused, with the kernel's own words.
 *
 * @example Branch on the reason
 * ```ts
 * import { NetlinkError } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new NetlinkError('create veth link "a"', { errno: 17 });
 * assertEquals(error.code, "EEXIST");
 * assertEquals(
 *   error.message,
 *   'Cannot create veth link "a": it exists already (EEXIST)',
 * );
 * ```
 */
export class NetlinkError extends Error {
  /** Always `"NetlinkError"`, for checks across package versions. */
  override readonly name = "NetlinkError";
  /** What was being done, as in `create veth link "a"`. */
  readonly operation: string;
  /** The kernel's number, positive. */
  readonly errno: number;
  /** The symbolic name, such as `"EEXIST"`. */
  readonly code: string;
  /** The kernel's own text, where it gave one. */
  readonly kernelMessage: string | undefined;
  /** Which byte of the request is wrong, counted from its header. */
  readonly offset: number | undefined;
  /** The type of the attribute that is missing. */
  readonly missing: number | undefined;

  /**
   * Describes a refused request.
   *
   * @param operation What was being done, as in `create veth link "a"`.
   * @param details What the kernel answered.
   */
  constructor(operation: string, details: NetlinkErrorDetails) {
    const code = errnoName(details.errno);
    const reason = details.kernelMessage ?? REASONS[code];
    const missing = details.missing === undefined
      ? ""
      : `; attribute ${details.missing} is missing`;
    super(
      `Cannot ${operation}: ${
        reason === undefined ? code : `${reason} (${code})`
      }${missing}`,
    );
    this.operation = operation;
    this.errno = details.errno;
    this.code = code;
    this.kernelMessage = details.kernelMessage;
    this.offset = details.offset;
    this.missing = details.missing;
  }
}
