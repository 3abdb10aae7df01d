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

  /** What the kernel gives at once from an offset on; it is overwritten by the next. */
  #bytes(path: string, offset: number): Uint8Array | undefined {
    const file = this.#open(path);
    if (file === undefined) return undefined;
    try {
      return bytes.subarray(0, read(file, bytes, { offset }) ?? 0);
    } catch (error) {
      if (error instanceof SyscallError) return undefined;
      throw error;
    }
  }

  /** The text of a file; `undefined` when the kernel does not have it, or the cgroup has gone. */
  text(folder: string | undefined, name: string): string | undefined {
    if (folder === undefined) return undefined;
    const bytes = this.#bytes(`${folder}/${name}`, 0);
    return bytes && decoder.decode(bytes);
  }

  /** The text of a file of many records, of which the kernel gives as many as fit in a page. */
  allText(path: string): string | undefined {
    let text: string | undefined;
    for (let offset = 0;;) {
      const bytes = this.#bytes(path, offset);
      if (bytes === undefined || bytes.length === 0) return text;
      text = (text ?? "") + decoder.decode(bytes);
      offset += bytes.length;
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
