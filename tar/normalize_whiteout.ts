/**
 * Whiteouts in the spelling of overlay.
 *
 * @module
 */

import { cleanPath } from "./clean_path.ts";
import { WHITEOUT_PREFIX } from "./parse_whiteout.ts";
import { type TarHeader, TypeFlag } from "./tar_header.ts";

/**
 * Spells a whiteout as layers do. The upper directory of an overlay hides a file by a character device 0:0 of its name; who
 * archives it as it is gives layers that hide by such entries wherever containers run on overlay.
 *
 * @param header An entry of a layer.
 * @returns An empty file `.wh.NAME` if the entry is such a device, else the entry itself.
 *
 * @example Usage
 * ```ts
 * import { normalizeWhiteout } from "@containerkit/tar/layer";
 * import { createTarParser, encodeTarHeader } from "@containerkit/tar";
 * import { assertEquals } from "@std/assert";
 *
 * const names: string[] = [];
 * const parser = createTarParser({
 *   entry: (header) => names.push(normalizeWhiteout(header).name),
 *   data() {},
 *   end() {},
 * });
 * parser.push(encodeTarHeader({ name: "etc/motd", typeflag: "3" }));
 * assertEquals(names, ["etc/.wh.motd"]);
 * ```
 */
export function normalizeWhiteout(header: TarHeader): TarHeader {
  const { typeflag, devmajor, devminor } = header;
  if (
    typeflag !== TypeFlag.CHARACTER_DEVICE || devmajor !== 0 || devminor !== 0
  ) return header;
  const names = cleanPath(header.name);
  const last = names.pop();
  if (last === undefined || last.startsWith(WHITEOUT_PREFIX)) return header;
  const name = [...names, `${WHITEOUT_PREFIX}${last}`].join("/");
  return { ...header, name, typeflag: TypeFlag.FILE };
}
