import { dirname } from "@std/path/posix/dirname";
import { RuntimeError } from "./runtime_error.ts";
import type { Spec } from "./spec.ts";
import { type StdioOwner, stdioOwner } from "./_stdio_owner.ts";

const SEARCH = { owner: 0o100, group: 0o010, others: 0o001 };

function canEnter(path: string, { uid, gid }: StdioOwner): boolean {
  const info = Deno.statSync(path);
  const bit = info.uid === uid
    ? SEARCH.owner
    : info.gid === gid
    ? SEARCH.group
    : SEARCH.others;
  return (info.mode! & bit) !== 0;
}

/** The topmost folder on the way to a path, and of it, that a user cannot enter. */
function findClosed(path: string, user: StdioOwner): string | undefined {
  const above = path === "/" ? undefined : findClosed(dirname(path), user);
  if (above !== undefined) return above;
  return canEnter(path, user) ? undefined : path;
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
  let closed: string | undefined;
  try {
    closed = findClosed(rootfs, user);
  } catch {
    return error;
  }
  if (closed === undefined) return error;
  const mode = (Deno.statSync(closed).mode! & 0o7777).toString(8);
  return new RuntimeError(`create container "${id}"`, {
    ...error,
    detail:
      `${error.detail} (its root is user ${user.uid} of the host, who cannot enter "${closed}": its mode is ${mode})`,
  }, { cause: error });
}
