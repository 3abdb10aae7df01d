import { openLibc } from "./_open_libc.ts";

const TABLE = {
  /** `const char *gnu_get_libc_version(void)`: what another libc has not, so that opening it fails. */
  gnu_get_libc_version: { parameters: [], result: "pointer" },
  /** `int *__errno_location(void)` */
  __errno_location: { parameters: [], result: "pointer" },
  /** `void *memcpy(void *to, const void *from, size_t size)` */
  peek: {
    name: "memcpy",
    parameters: ["buffer", "pointer", "usize"],
    result: "void",
  },
  /** The same, the other way. */
  poke: {
    name: "memcpy",
    parameters: ["pointer", "buffer", "usize"],
    result: "void",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** A table of its own: reading the error is no call to trace. */
let libc: Deno.DynamicLibrary<typeof TABLE>["symbols"] | undefined;
/** Where it is: the memory itself, when Deno lets us map it. */
let word: Int32Array | undefined;
/** Else its copy, made anew at each call of the function. */
let copy: (() => number) | undefined;
let address: Deno.PointerValue = null;

function map(): void {
  libc = openLibc(TABLE).symbols;
  address = libc.__errno_location();
  if (Deno.permissions.querySync({ name: "ffi" }).state === "granted") {
    word = new Int32Array(
      new Deno.UnsafePointerView(address!).getArrayBuffer(4),
    );
    return;
  }
  // Under a scope Deno maps no memory, but libc copies it for us.
  // Of memory that the collector does not move.
  const buffer = new Int32Array(new ArrayBuffer(4));
  const { peek } = libc;
  copy = () => {
    peek(buffer, address, 4n);
    return buffer[0]!;
  };
}

/** Reads it: nothing is allocated on the way. */
export function readErrno(): number {
  if (word !== undefined) return word[0]!;
  if (copy === undefined) {
    map();
    return readErrno();
  }
  return copy();
}

/** Puts it back after something else ran between a call and the reader of its error. */
export function restoreErrno(code: number): void {
  if (word !== undefined) word[0] = code;
  else libc?.poke(address, Int32Array.of(code), 4n);
}
