/**
 * Users and groups of a root filesystem.
 *
 * @module
 */

import {
  type Fd,
  openAt,
  openAt2,
  OpenFlag,
  SyscallError,
} from "@containerkit/libc";
import type { SpecUser } from "./spec.ts";

/** More than the account files of any distribution; an image may hold anything. */
const MAX_FILE = 1 << 20;
const MAX_ID = 2 ** 31 - 1;

interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** Options of {@linkcode resolveUser}. */
export interface ResolveUserOptions {
  /**
   * Further groups, by name or number.
   *
   * @default {[]}
   */
  groups?: readonly string[];
}

function openRoot(rootfs: string): Fd {
  try {
    return openAt(undefined, rootfs, OpenFlag.DIRECTORY | OpenFlag.PATH);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    const { syscall, errno } = error;
    throw new SyscallError(`look up users in the root filesystem "${rootfs}"`, {
      syscall,
      errno,
      path: rootfs,
      cause: error,
    });
  }
}

/** Reads a file of the root filesystem without ever leaving it; `undefined` when it is not there. */
async function readInside(root: Fd, path: string): Promise<string | undefined> {
  let file: Fd;
  try {
    // To open a FIFO waits, and a device of the host does what its driver does.
    file = openAt2(root, path, { flags: OpenFlag.PATH });
  } catch (error) {
    if (
      error instanceof SyscallError &&
      ["ENOENT", "ENOTDIR"].includes(error.code)
    ) return undefined;
    throw error;
  }
  using _ = file;
  const self = `/proc/self/fd/${file.number}`;
  const { isFile, size } = await Deno.stat(self);
  if (!isFile) {
    throw new Deno.errors.InvalidData(
      `Cannot read "${path}" of the root filesystem: it is no regular file`,
    );
  }
  if (size > MAX_FILE) {
    throw new Deno.errors.InvalidData(
      `Cannot read "${path}" of the root filesystem: it has ${size} bytes, at most ${MAX_FILE} are read`,
    );
  }
  return await Deno.readTextFile(self);
}

function parseId(text: string): number | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  if (id > MAX_ID) {
    throw new RangeError(
      `Cannot use the id ${text}: expected 0 to ${MAX_ID}`,
    );
  }
  return id;
}

function* records(text: string, fields: number): Iterable<string[]> {
  for (const line of text.split("\n")) {
    const parts = line.trim().split(":");
    if (!line.startsWith("#") && parts.length >= fields) yield parts;
  }
}

function parseAccounts(text: string): Account[] {
  return [...records(text, 4)]
    .filter(([, , uid = "", gid = ""]) =>
      /^\d{1,10}$/.test(uid) && /^\d{1,10}$/.test(gid)
    )
    .map(([name = "", , uid, gid]) => ({
      name,
      uid: Number(uid),
      gid: Number(gid),
    }));
}

function parseGroups(text: string): Group[] {
  return [...records(text, 3)]
    .filter(([, , gid = ""]) => /^\d{1,10}$/.test(gid))
    .map(([name = "", , gid, members = ""]) => ({
      name,
      gid: Number(gid),
      members: members.split(",").filter(Boolean),
    }));
}

function missing(kind: string, name: string, file: string): Error {
  return new Deno.errors.NotFound(
    `Cannot find the ${kind} "${name}": the image's ${file} does not list it`,
  );
}

/**
 * Finds the ids of a user as an image names it, in the `/etc/passwd` and
 * `/etc/group` of a root filesystem. Links are followed only inside it.
 *
 * A number that is not listed is taken as it is, with group 0.
 *
 * @param rootfs Folder of the root filesystem.
 * @param user `user`, `uid`, `user:group`, `uid:gid`, ...; empty is root.
 * @param options Further groups.
 * @returns The ids; the supplementary groups include the primary one.
 * @throws {Deno.errors.NotFound} If a name is not listed.
 * @throws {SyscallError} If the folder is not there, or none.
 * @throws {RangeError} If a number is above 2147483647.
 * @throws {Deno.errors.InvalidData} If one of the files is no regular file or larger than 1 MiB.
 *
 * @see https://github.com/opencontainers/runtime-spec/blob/main/config.md#posix-platform-user
 *
 * @example Usage
 * ```ts
 * import { resolveUser } from "@containerkit/execution";
 * import { assertEquals } from "@std/assert";
 *
 * const rootfs = await Deno.makeTempDir();
 * await Deno.mkdir(`${rootfs}/etc`);
 * await Deno.writeTextFile(`${rootfs}/etc/passwd`, "web:x:33:34::/:/bin/sh\n");
 * assertEquals(await resolveUser(rootfs, "web"), { uid: 33, gid: 34, additionalGids: [34] });
 * await Deno.remove(rootfs, { recursive: true });
 * ```
 */
export async function resolveUser(
  rootfs: string,
  user: string,
  options: ResolveUserOptions = {},
): Promise<SpecUser> {
  using root = openRoot(rootfs);
  const accounts = parseAccounts(await readInside(root, "/etc/passwd") ?? "");
  const groups = parseGroups(await readInside(root, "/etc/group") ?? "");

  const gidOf = (name: string): number => {
    const gid = parseId(name) ?? groups.find((group) => group.name === name)
      ?.gid;
    if (gid === undefined) throw missing("group", name, "/etc/group");
    return gid;
  };

  const separator = user.indexOf(":");
  const who = separator < 0 ? user : user.slice(0, separator);
  const group = separator < 0 ? "" : user.slice(separator + 1);
  const id = who === "" ? 0 : parseId(who);
  const account = accounts.find(({ name, uid }) =>
    id === undefined ? name === who : uid === id
  );
  const uid = id ?? account?.uid;
  if (uid === undefined) throw missing("user", who, "/etc/passwd");
  if (uid > MAX_ID) {
    throw new RangeError(`Cannot use the id ${uid}: expected 0 to ${MAX_ID}`);
  }
  const gid = group === "" ? account?.gid ?? 0 : gidOf(group);
  const supplementary = groups
    .filter(({ members }) =>
      account !== undefined && members.includes(account.name)
    )
    .map((group) => group.gid);
  return {
    uid,
    gid,
    additionalGids: [
      ...new Set([
        gid,
        ...supplementary,
        ...(options.groups ?? []).map(gidOf),
      ]),
    ],
  };
}
