import { dirname } from "@std/path/posix/dirname";
import { RuntimeError } from "./runtime_error.ts";
import type { Spec } from "./spec.ts";
import { type StdioOwner, stdioOwner } from "./_stdio_owner.ts";

const SEARCH = { owner: 0o100, group: 0o010, others: 0o001 };

/** The topmost folder on the way to a path, and of it, that a user cannot enter. */
function findClosed(
  path: string,
  user: StdioOwner,
): { path: string; mode: number } | undefined {
  const above = path === "/" ? undefined : findClosed(dirname(path), user);
  if (above !== undefined) return above;
  const { uid, gid, mode } = Deno.statSync(path);
  const bit = uid === user.uid
    ? SEARCH.owner
    : gid === user.gid
    ? SEARCH.group
    : SEARCH.others;
  return (mode! & bit) === 0 ? { path, mode: mode! & 0o7777 } : undefined;
}

function whyClosed(rootfs: string, user: StdioOwner): string | undefined {
  try {
    const closed = findClosed(rootfs, user);
    return closed &&
      `its root is user ${user.uid} of the host, who cannot enter "${closed.path}": its mode is ${
        closed.mode.toString(8)
      }`;
  } catch {
    return undefined;
  }
}

/** A sysfs shows a network namespace, and is mounted by whoever that belongs to: only one made after it is the user namespace's. */
function whyNoSysfs({ linux }: Spec): string | undefined {
  const network = linux?.namespaces?.find(({ type }) => type === "network");
  return network !== undefined && network.path === undefined
    ? undefined
    : "its network namespace does not belong to its user namespace: let the runtime make it, and connect it before the start";
}

/**
 * Says what keeps a container with a user namespace from being made, where that may be why a runtime failed: its own
 * words are of what follows from it. Any other error stays what it is.
 */
export function explainDenied(
  error: unknown,
  { id, spec, rootfs }: { id: string; spec: Spec; rootfs: string },
): unknown {
  const user = stdioOwner(spec, { uid: 0, gid: 0 });
  if (user === undefined || !(error instanceof RuntimeError)) return error;
  const { detail } = error;
  const why = /permission denied/i.test(detail)
    ? whyClosed(rootfs, user)
    : /sysfs.*not permitted/i.test(detail)
    ? whyNoSysfs(spec)
    : undefined;
  if (why === undefined) return error;
  return new RuntimeError(`create container "${id}"`, {
    ...error,
    detail: `${detail} (${why})`,
  }, { cause: error });
}
