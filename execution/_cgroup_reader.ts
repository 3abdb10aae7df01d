import { type Fd, openAt, read, SyscallError } from "@containerkit/libc";

/** The kernel's way to say "no limit" in cgroup v1: the largest whole page count. */
const UNLIMITED_V1 = 2 ** 62;
/** The largest of these files, `memory.stat`, has 2 KiB. */
const bytes = new Uint8Array(65536);
const decoder = new TextDecoder();

/**
 * Reads files of cgroups. They stay open: opening one takes ten times as long as
 * reading it, and whoever measures once does so again.
 */
export class CgroupReader implements Disposable {
  /** By path; what the kernel does not have is remembered too. */
  readonly #files = new Map<string, Fd | undefined>();

  #open(path: string): Fd | undefined {
    if (this.#files.has(path)) return this.#files.get(path);
    let file: Fd | undefined;
    try {
      file = openAt(undefined, path);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
    }
    this.#files.set(path, file);
    return file;
  }

  /** The text of a file; `undefined` when the kernel does not have it, or the cgroup has gone. */
  text(folder: string | undefined, name: string): string | undefined {
    if (folder === undefined) return undefined;
    const file = this.#open(`${folder}/${name}`);
    if (file === undefined) return undefined;
    try {
      const size = read(file, bytes, { offset: 0 }) ?? 0;
      return decoder.decode(bytes.subarray(0, size));
    } catch (error) {
      if (error instanceof SyscallError) return undefined;
      throw error;
    }
  }

  /** The number in a file; `undefined` for `max`, no limit, and what is not there. */
  number(folder: string | undefined, name: string): number | undefined {
    const text = this.text(folder, name)?.trim();
    if (text === undefined || text === "" || text === "max") return undefined;
    const value = Number(text);
    return Number.isNaN(value) || value >= UNLIMITED_V1 ? undefined : value;
  }

  /** The numbers of a file of `key value` lines. */
  fields(
    folder: string | undefined,
    name: string,
  ): Record<string, number> | undefined {
    const text = this.text(folder, name);
    if (text === undefined) return undefined;
    const fields: Record<string, number> = {};
    for (const line of text.split("\n")) {
      const space = line.indexOf(" ");
      if (space > 0) {
        fields[line.slice(0, space)] = Number(line.slice(space + 1));
      }
    }
    return fields;
  }

  [Symbol.dispose](): void {
    for (const file of this.#files.values()) file?.close();
    this.#files.clear();
  }
}
