import { checkDeno } from "./_check_deno.ts";

const ARCH_FOLDER = Deno.build.arch === "aarch64"
  ? "aarch64-linux-gnu"
  : "x86_64-linux-gnu";
/** Where distributions keep it. */
const PATHS: readonly string[] = [
  `/lib/${ARCH_FOLDER}/libc.so.6`,
  `/usr/lib/${ARCH_FOLDER}/libc.so.6`,
  "/lib64/libc.so.6",
  "/usr/lib64/libc.so.6",
  "/lib/libc.so.6",
  "/usr/lib/libc.so.6",
];

/**
 * What to open. The bare name only when every path is granted: under a scope
 * Deno takes it as a file of the working directory, where anybody may put one.
 */
export function findLibc(): string {
  const state = Deno.permissions.querySync({ name: "ffi" }).state;
  if (state === "granted") return "libc.so.6";
  const granted = PATHS.find((path) =>
    Deno.permissions.querySync({ name: "ffi", path }).state === "granted" &&
    isFile(path)
  );
  if (granted !== undefined) return granted;
  if (
    state === "prompt" &&
    Deno.permissions.requestSync({ name: "ffi" }).state === "granted"
  ) return "libc.so.6";
  throw new Deno.errors.NotCapable(
    `Cannot open libc: run again with --allow-ffi, or with --allow-ffi=${
      PATHS[0]
    }`,
  );
}

/** Whether it is there; without the permission to look, dlopen(3) tells. */
function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    return error instanceof Deno.errors.NotCapable;
  }
}

/** Opens libc with these symbols; see `library()` for what it refuses. */
export function openLibc<S extends Deno.ForeignLibraryInterface>(
  symbols: S,
): Deno.DynamicLibrary<S> {
  if (Deno.build.os !== "linux") {
    throw new Deno.errors.NotSupported(
      `Cannot open libc: Linux is needed, this is ${Deno.build.os}`,
    );
  }
  checkDeno(Deno.version.deno);
  const path = findLibc();
  try {
    return Deno.dlopen(path, symbols);
  } catch (error) {
    throw new Deno.errors.NotSupported(
      `Cannot open libc: ${path} of glibc 2.34 or newer is needed (musl is not supported)`,
      { cause: error },
    );
  }
}
