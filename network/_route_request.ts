import type { NetlinkError } from "./netlink_error.ts";
import type { IfExists } from "./route_request.ts";

const NLM_F_REPLACE = 0x100;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;

/** The answer of requests that have none. */
export function nothing(): void {}

/** Takes what is not there as deleted already. */
export function deleted(codes: readonly string[]): {
  decode(): boolean;
  recover(error: NetlinkError): boolean;
} {
  return {
    decode: () => true,
    recover(error) {
      if (codes.includes(error.code)) return false;
      throw error;
    },
  };
}

/** The flags that make something, and the answer if it exists. */
export function creation(ifExists: IfExists = "error"): {
  flags: number;
  decode(): void;
  recover(error: NetlinkError): void;
} {
  return {
    flags: NLM_F_CREATE | (ifExists === "replace" ? NLM_F_REPLACE : NLM_F_EXCL),
    decode: nothing,
    recover(error) {
      if (ifExists !== "ignore" || error.code !== "EEXIST") throw error;
    },
  };
}
