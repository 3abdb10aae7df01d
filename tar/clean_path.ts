/**
 * What the paths of a layer mean.
 *
 * @module
 */

/**
 * Gives the parts of a path in a layer, cleaned as text: `..` takes back the part before it and never leaves the root.
 *
 * @param path The path, as an archive has it.
 * @returns Its parts; none for the root itself.
 *
 * @example Usage
 * ```ts
 * import { cleanPath } from "@containerkit/tar/layer";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(cleanPath("./etc//ssl/../motd"), ["etc", "motd"]);
 * assertEquals(cleanPath("../../etc/"), ["etc"]);
 * assertEquals(cleanPath("/"), []);
 * ```
 */
export function cleanPath(path: string): string[] {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return names;
}
