import { pickAttributes } from "./_attributes.ts";
import { isAtime, isPropagation } from "./_flags.ts";
import { checkOverlay } from "./_overlay_options.ts";
import { fromContainerd } from "./from_containerd.ts";
import type { Mount, OverlayMount, RawMount } from "./mount.ts";

/** Refuses a mount that contradicts itself; gives what is to be made, narrower where a triple says so. */
export function checkMount(given: Mount): Mount {
  const mount = given.type === "raw" ? normalizeRaw(given) : given;
  checkWord("propagation", mount.propagation, isPropagation);
  checkWord("atime", mount.atime, isAtime);
  switch (mount.type) {
    case "bind":
    case "image":
      requireAbsolute(mount.source);
      break;
    case "erofs":
      [mount.source, ...mount.devices ?? []].forEach(requireAbsolute);
      break;
    case "overlay":
      checkOverlay(mount);
      break;
    case "btrfs":
    case "tmpfs":
    case "raw":
      break;
    default:
      throw new TypeError(
        `Cannot mount: there is no type ${
          JSON.stringify((mount as { type: unknown }).type)
        }`,
      );
  }
  return mount;
}

/** A mount may come from a file: a word that is none would be passed over. */
function checkWord(
  attribute: string,
  word: string | undefined,
  isKnown: (word: string) => boolean,
): void {
  if (word === undefined || isKnown(word)) return;
  throw new TypeError(
    `Cannot mount with the ${attribute} ${
      JSON.stringify(word)
    }: there is no such`,
  );
}

/** What its option words say becomes attributes, and what is another type becomes that. */
function normalizeRaw(mount: RawMount): Mount {
  const found = fromContainerd({
    type: mount.fstype,
    source: mount.source,
    options: mount.options,
  });
  return { ...found, ...pickAttributes(mount) };
}

function requireAbsolute(path: string): void {
  if (!path.startsWith("/")) {
    throw new TypeError(`Cannot mount "${path}": it is no absolute path`);
  }
}

/** The only layer of an overlay without upper, whose part is not taken yet: the kernel refuses that overlay, which would be the layer. */
export function onlyLayer(mount: OverlayMount): Mount | undefined {
  const { upper, lower, data = [] } = mount;
  const [only] = lower;
  if (upper !== undefined || lower.length !== 1 || data.length > 0) {
    return undefined;
  }
  const { subpath: _, ...attributes } = pickAttributes(mount);
  return typeof only === "string"
    ? { type: "bind", source: only, ...attributes, readonly: true }
    : { ...only!, ...attributes, readonly: true };
}
