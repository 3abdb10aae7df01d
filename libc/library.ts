/**
 * Opening libc.
 *
 * @module
 */

import { readErrno } from "./_errno_word.ts";
import { openLibc } from "./_open_libc.ts";
import { traceLibrary, tracesCalls } from "./_trace_library.ts";

/** A table of symbols: called, it opens libc if need be and gives them. */
export interface Library<S extends Deno.ForeignLibraryInterface>
  extends Disposable {
  /** The symbols, ready to call. */
  (): Deno.StaticForeignLibraryInterface<S>;
}

/**
 * Declares symbols of libc and opens them at the first call of what is returned.
 *
 * Each package keeps one table per family next to its use; nothing is opened
 * at import. Requires `--allow-ffi`; a scope must name the file, such as
 * `--allow-ffi=/lib/x86_64-linux-gnu/libc.so.6`.
 *
 * While somebody listens to the channel `containerkit:libc` of
 * `node:diagnostics_channel`, every call is published there as a
 * {@linkcode LibraryCall}.
 *
 * @typeParam S The table of symbols.
 * @param symbols The table, as for `Deno.dlopen`.
 * @returns A function that gives the symbols; disposing it closes them, which a table that lives as long as the program never needs.
 * @throws {Deno.errors.NotSupported} At the first call, where there is no glibc.
 * @throws {Deno.errors.NotCapable} At the first call, without the permission.
 *
 * @example Usage
 * ```ts
 * import { library } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * using symbols = library({
 *   // pid_t getpid(void)
 *   getpid: { parameters: [], result: "i32" },
 * });
 * assertEquals(symbols().getpid(), Deno.pid);
 * ```
 */
export function library<const S extends Deno.ForeignLibraryInterface>(
  symbols: S,
): Library<S> {
  let opened: Deno.DynamicLibrary<S> | undefined;
  let traced: Deno.StaticForeignLibraryInterface<S> | undefined;
  const give = () => {
    if (opened === undefined) {
      // Finds where it is before a call fails, not after; and refuses what is no glibc.
      readErrno();
      opened = openLibc(symbols);
    }
    if (!tracesCalls()) return opened.symbols;
    return traced ??= traceLibrary(symbols, opened.symbols);
  };
  return Object.assign(give, {
    [Symbol.dispose]() {
      opened?.close();
      opened = undefined;
      traced = undefined;
    },
  });
}
