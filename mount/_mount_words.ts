import {
  cString,
  errno,
  type Fd,
  openAt,
  OpenFlag,
  SyscallError,
} from "@containerkit/libc";
import { MAX_PAGE } from "./_call_mount.ts";
import { explain } from "./_explain.ts";
import type { FilesystemOptions } from "./_filesystems.ts";
import { mountOnPool } from "./_long_calls.ts";
import { symbols } from "./_symbols.ts";

/** Words that are flags of mount(2): those of the filesystem, not of the mount. */
const FLAGS: Readonly<Record<string, number>> = {
  ro: 1,
  sync: 16,
  mand: 64,
  dirsync: 128,
  lazytime: 1 << 25,
};

/** A filesystem as mount(2) is told of it. */
export class MountWords implements FilesystemOptions, Disposable {
  #type: string;
  #source: string;
  /** The file or device that it is in. */
  #file: string | undefined;
  #flags = 0;
  readonly #words: string[] = [];
  /** Kept open until the filesystem is mounted, for names by way of `/proc/self/fd`. */
  readonly #files: Fd[] = [];

  constructor(type: string, file?: string) {
    this.#type = type;
    this.#file = file;
    this.#source = type;
  }

  set(key: string, value: string): void {
    if (key === "source") this.#source = value;
    else if (key === "subtype") this.#type += `.${value}`;
    else this.#add(`${key}=${value}`);
  }

  setPath(key: string, path: string): void {
    if (key === "source" && path.startsWith("/")) this.#file ??= path;
    if (key === "source" || !path.includes(",")) return this.set(key, path);
    const file = openAt(undefined, path, OpenFlag.PATH);
    this.#files.push(file);
    this.set(key, `/proc/self/fd/${file.number}`);
  }

  flag(key: string): void {
    const flag = Object.hasOwn(FLAGS, key) ? FLAGS[key]! : 0;
    if (flag === 0) this.#add(key);
    else this.#flags |= flag;
  }

  /** Mounts it on a place, on another thread: a large device takes long. */
  async mount(place: string): Promise<void> {
    const data = cString(this.#words.join(","));
    if (data.length - 1 > MAX_PAGE) {
      throw new TypeError(
        `Cannot mount ${this.#type}: its options take ${
          data.length - 1
        } bytes, and mount(2) drops what is beyond ${MAX_PAGE}`,
      );
    }
    const source = cString(this.#source);
    const target = cString(place);
    const type = cString(this.#type);
    const flags = BigInt(this.#flags);
    if (await mountOnPool({ source, target, type, flags, data })) return;
    // Once more from here, to learn why not.
    if (symbols().mount(source, target, type, flags, data) === 0) return;
    const code = errno();
    const file = this.#file === undefined ? "" : ` "${this.#file}"`;
    throw new SyscallError(`mount ${this.#type}${file}`, {
      syscall: "mount",
      errno: code,
      path: this.#file,
      detail: explain(code, { call: "fsconfig", type: this.#type }),
    });
  }

  [Symbol.dispose](): void {
    for (const file of this.#files) file.close();
  }

  #add(word: string): void {
    if (word.includes(",")) {
      throw new TypeError(
        `Cannot mount ${this.#type} with ${word}: mount(2), the only way here, takes the comma for its end`,
      );
    }
    this.#words.push(word);
  }
}
