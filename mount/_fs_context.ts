import {
  cStringOnce,
  errno,
  Fd,
  openAt,
  OpenFlag,
  read,
  SyscallError,
} from "@containerkit/libc";
import { explain } from "./_explain.ts";
import type { FilesystemOptions } from "./_filesystems.ts";
import { symbols, Sys } from "./_symbols.ts";

const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const SET_FLAG = 0;
const SET_STRING = 1;
const SET_FD = 5;
const CMD_CREATE = 6;
/** fsconfig(2) takes strings of up to 255 bytes. */
const VALUE_LIMIT = 255;

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Whether fsconfig(2) takes it as a string. */
export function fitsValue(text: string): boolean {
  return text.length <= VALUE_LIMIT &&
    encoder.encode(text).length <= VALUE_LIMIT;
}

/** A filesystem being configured, as fsopen(2) starts it. */
export class FsContext implements FilesystemOptions, Disposable {
  readonly type: string;
  readonly fd: Fd;
  /** Kept open until the filesystem is made, for values by way of `/proc/self/fd`. */
  #files: Fd[] = [];
  /** The file or device that it is in. */
  #file: string | undefined;

  constructor(type: string, file?: string) {
    this.type = type;
    this.#file = file;
    const number = symbols().fsopen(
      Sys.FSOPEN,
      cStringOnce(type),
      FSOPEN_CLOEXEC,
    );
    if (number < 0) {
      const code = errno();
      throw new SyscallError(`mount a filesystem of type ${type}`, {
        syscall: "fsopen",
        errno: code,
        detail: explain(code, { call: "fsopen", type }),
      });
    }
    this.fd = new Fd(number);
  }

  /** Sets an option that has a value. */
  set(key: string, value: string): void {
    this.#config(SET_STRING, key, value, 0);
  }

  /** Sets an option that is a file, of any length of path. */
  setPath(key: string, path: string): void {
    if (key === "source" && path.startsWith("/")) this.#file ??= path;
    if (fitsValue(path)) return this.set(key, path);
    const file = openAt(undefined, path, OpenFlag.PATH);
    this.#files.push(file);
    this.set(key, `/proc/self/fd/${file.number}`);
  }

  /** Sets an option that is a word alone. */
  flag(key: string): void {
    this.#config(SET_FLAG, key, undefined, 0);
  }

  /** Sets an option that is a descriptor (Linux 6.13). */
  setFd(key: string, file: Fd): void {
    this.#config(SET_FD, key, undefined, file.number);
  }

  /** Makes the filesystem. */
  create(): void {
    this.#config(CMD_CREATE, undefined, undefined, 0);
  }

  /** Gives a mount of it, attached nowhere. */
  mount(attributes: number): Fd {
    const number = symbols().fsmount(
      Sys.FSMOUNT,
      this.fd.number,
      FSMOUNT_CLOEXEC,
      attributes,
    );
    if (number >= 0) return new Fd(number);
    throw this.error("fsmount", errno());
  }

  /** The error of a call on it, with what the filesystem had to say. */
  error(syscall: string, code: number, option?: string): SyscallError {
    const log = this.#log();
    const reason = explain(code, { call: syscall, type: this.type, option });
    const detail = [log, reason].filter(Boolean).join("; ");
    const name = this.#file === undefined
      ? this.type
      : `${this.type} "${this.#file}"`;
    const action = option === undefined
      ? `mount ${name}`
      : `mount ${name} with ${option}`;
    return new SyscallError(action, {
      syscall,
      errno: code,
      path: this.#file,
      detail: detail === "" ? undefined : detail,
    });
  }

  [Symbol.dispose](): void {
    for (const file of this.#files) file.close();
    this.fd.close();
  }

  #config(
    command: number,
    key: string | undefined,
    value: string | undefined,
    aux: number,
  ): void {
    if (value !== undefined && !fitsValue(value)) {
      throw new RangeError(
        `Cannot mount ${this.type}: the value of "${key}" has more than ${VALUE_LIMIT} bytes`,
      );
    }
    const result = symbols().fsconfig(
      Sys.FSCONFIG,
      this.fd.number,
      command,
      key === undefined ? null : cStringOnce(key),
      value === undefined ? null : cStringOnce(value, 1),
      aux,
    );
    if (result === 0) return;
    const code = errno();
    throw this.error(
      "fsconfig",
      code,
      key === undefined
        ? undefined
        : value === undefined
        ? key
        : `${key}=${value}`,
    );
  }

  /** What the filesystem wrote of it: lines such as `e overlay: ...`. */
  #log(): string {
    const lines: string[] = [];
    const buffer = new Uint8Array(4096);
    for (let count = 0; count < 64; count++) {
      let size: number | undefined;
      try {
        size = read(this.fd, buffer);
      } catch {
        break; // ENODATA: no more
      }
      if (!size) break;
      lines.push(
        decoder.decode(buffer.subarray(0, size)).trim().replace(/^[ewi] /, ""),
      );
    }
    return lines.join("; ");
  }
}
