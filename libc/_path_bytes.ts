import { cString } from "./c_string.ts";

/** `PATH_MAX` of the kernel, at three bytes a character at most, and the NUL. */
const SIZE = 3 * 4096 + 1;
const encoder = new TextEncoder();
/** One for each path of a call that has two. */
const buffers = [new Uint8Array(SIZE), new Uint8Array(SIZE)] as const;

/**
 * A path for a call that is made at once, in memory that the next one reuses:
 * allocating it would take as long as the call. Stands in the arguments of the
 * call itself, so that nothing comes between.
 *
 * @param place Which of the paths of the call it is.
 * @throws {TypeError} If it contains NUL.
 */
export function pathBytes(
  path: string,
  place: 0 | 1 = 0,
): Uint8Array<ArrayBuffer> {
  const bytes = buffers[place];
  const { length } = path;
  if (length > 4096) return cString(path); // the kernel refuses it
  for (let at = 0; at < length; at++) {
    const code = path.charCodeAt(at);
    if (code === 0) return cString(path); // throws
    if (code > 127) {
      if (path.includes("\0")) return cString(path);
      const { written } = encoder.encodeInto(path, bytes);
      bytes[written] = 0;
      return bytes;
    }
    bytes[at] = code;
  }
  bytes[length] = 0;
  return bytes;
}
