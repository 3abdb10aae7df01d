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

/**
 * Names the folder that root of a user namespace cannot enter, where that may be why a runtime failed: its own words
 * are of what lies below. Any other error stays what it is.
 */
export function explainDenied(
  error: unknown,
  { id, spec, rootfs }: { id: string; spec: Spec; rootfs: string },
): unknown {
  const user = stdioOwner(spec, { uid: 0, gid: 0 });
  if (
    user === undefined || !(error instanceof RuntimeError) ||
    !/permission denied/i.test(error.detail)
  ) return error;
  let closed;
  try {
    closed = findClosed(rootfs, user);
  } catch {
    return error;
  }
  if (closed === undefined) return error;
  return new RuntimeError(`create container "${id}"`, {
    ...error,
    detail:
      `${error.detail} (its root is user ${user.uid} of the host, who cannot enter "${closed.path}": its mode is ${
        closed.mode.toString(8)
      })`,
  }, { cause: error });
}
