import type { AttachPort } from "@containerkit/network";
import { UsageError } from "./command.ts";

const PORT_REGEXP =
  /^(?:(?<address>\[[0-9a-f:.]+\]|[0-9.]+):)?(?<host>\d+)(?:-(?<last>\d+))?:(?<target>\d+)(?:-(?<end>\d+))?(?:\/(?<protocol>tcp|udp|sctp))?$/i;

/**
 * Reads what `-p` takes: `[ADDRESS:]HOST[-LAST]:CONTAINER[-LAST][/PROTOCOL]`. Without an address the port is open on
 * all of the host's IPv4 addresses.
 *
 * @throws {UsageError} If it is something else.
 */
export function parsePort(text: string): AttachPort {
  const { host, last = host, target, end, ...rest } =
    PORT_REGEXP.exec(text)?.groups ?? {};
  const { address = "0.0.0.0", protocol = "tcp" } = rest;
  if (host === undefined || target === undefined) {
    throw new UsageError(
      `Cannot publish "${text}": expected [ADDRESS:]HOST[-LAST]:CONTAINER[-LAST][/PROTOCOL]`,
    );
  }
  const count = Number(last) - Number(host) + 1;
  if (count < 1) {
    throw new UsageError(
      `Cannot publish "${text}": the last port is before the first`,
    );
  }
  if (end !== undefined && Number(end) - Number(target) + 1 !== count) {
    throw new UsageError(
      `Cannot publish "${text}": there are not as many ports in the container`,
    );
  }
  return {
    hostAddress: address.replace(/^\[|\]$/g, ""),
    hostPort: Number(host),
    targetPort: Number(target),
    protocol: protocol.toLowerCase() as NonNullable<AttachPort["protocol"]>,
    count,
  };
}
