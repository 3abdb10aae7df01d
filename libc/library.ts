/**
 * Opening libc.
 *
 * @module
 */

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
 * at import. Requires `--allow-ffi`.
 *
 * @typeParam S The table of symbols.
 * @param symbols The table, as for `Deno.dlopen`.
 * @returns A function that gives the symbols; disposing it closes them, which a table that lives as long as the program never needs.
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
  const open = () => {
    if (opened === undefined) {
      if (Deno.build.os !== "linux") {
        throw new Deno.errors.NotSupported(
          `Cannot open libc: Linux is needed, this is ${Deno.build.os}`,
        );
      }
      opened = Deno.dlopen("libc.so.6", symbols);
    }
    return opened.symbols;
  };
  return Object.assign(open, {
    [Symbol.dispose]() {
      opened?.close();
      opened = undefined;
    },
  });
}
