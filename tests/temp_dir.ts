/**
 * A folder for one test, removed with what is in it at the end of the block.
 *
 * ```ts ignore
 * await using temp = tempDir();
 * await Deno.writeTextFile(`${temp.path}/a`, "1");
 * ```
 */
export function tempDir(
  options: { dir?: string } = {},
): { readonly path: string } & AsyncDisposable & Disposable {
  const path = Deno.makeTempDirSync({ prefix: "containerkit-", ...options });
  const remove = () => Deno.removeSync(path, { recursive: true });
  return {
    path,
    [Symbol.dispose]: remove,
    [Symbol.asyncDispose]: () => Promise.resolve(remove()),
  };
}
