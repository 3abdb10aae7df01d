/**
 * Mounts for containerd.
 *
 * @module
 */

import { escapeLayer, escapeOption, optionWord } from "./_overlay_words.ts";
import type { ContainerdMount } from "./from_containerd.ts";
import type { Mount, MountAttributes, MountSource } from "./mount.ts";

/** mount(2) reads one page of options, NUL included, and ignores the rest without a word. */
const DATA_LIMIT = 4095;

/**
 * Writes a mount as containerd's triple, for programs that call mount(2) or mount(8).
 *
 * @param mount The mount.
 * @returns The triple.
 * @throws {TypeError} If a triple cannot say it: nested mounts, mapped ids, a part of a mount, options that do not fit in the page that mount(2) reads, or a comma where that ends an option.
 *
 * @example Usage
 * ```ts
 * import { toContainerd } from "@containerkit/mount";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   toContainerd({ type: "bind", source: "/srv", recursive: true, readonly: true }),
 *   { type: "bind", source: "/srv", options: ["rbind", "ro"] },
 * );
 * ```
 */
export function toContainerd(mount: Mount): ContainerdMount {
  if (mount.idmap !== undefined) refuse("it maps ids");
  if (mount.subpath !== undefined) refuse("it shows a part of a mount");
  const attributes = attributeWords(mount);
  switch (mount.type) {
    case "bind":
      return {
        type: "bind",
        source: mount.source,
        options: [mount.recursive ? "rbind" : "bind", ...attributes],
      };
    case "overlay":
      return {
        type: "overlay",
        source: "overlay",
        options: checkSize([...overlayWords(mount), ...attributes]),
      };
    case "tmpfs":
      return {
        type: "tmpfs",
        source: "tmpfs",
        options: [
          ...(mount.size === undefined ? [] : [`size=${mount.size}`]),
          ...(mount.mode === undefined
            ? []
            : [`mode=${mount.mode.toString(8)}`]),
          ...attributes,
        ],
      };
    case "erofs":
      return {
        type: "erofs",
        source: mount.source,
        options: checkSize([
          ...(mount.devices ?? []).map((device) => `device=${plain(device)}`),
          ...(mount.readonly ? [] : ["ro"]),
          ...attributes,
        ]),
      };
    case "btrfs":
      return {
        type: "btrfs",
        source: mount.device,
        options: [`subvolid=${mount.subvolid}`, ...attributes],
      };
    case "image":
      return {
        type: mount.fstype,
        source: mount.source,
        options: checkSize([
          ...(mount.options ?? []).map(plain),
          "loop",
          ...attributes,
        ]),
      };
    case "raw":
      return {
        type: mount.fstype,
        source: mount.source,
        options: checkSize([...mount.options, ...attributes]),
      };
  }
}

function refuse(why: string): never {
  throw new TypeError(
    `Cannot write the mount as type, source and options: ${why}; stage() makes it a bind`,
  );
}

function overlayWords(mount: Extract<Mount, { type: "overlay" }>): string[] {
  const layers = (sources: readonly MountSource[]) =>
    sources.map((source) =>
      typeof source === "string"
        ? escapeOption(escapeLayer(source))
        : refuse("a layer is itself a mount")
    );
  const lower = layers(mount.lower).join(":");
  const data = layers(mount.data ?? []).map((layer) => `::${layer}`).join("");
  const word = (path: string) => escapeOption(path.replaceAll("\\", "\\\\"));
  return [
    `lowerdir=${lower}${data}`,
    ...(mount.upper === undefined ? [] : [`upperdir=${word(mount.upper)}`]),
    ...(mount.work === undefined ? [] : [`workdir=${word(mount.work)}`]),
    ...(mount.volatile ? ["volatile"] : []),
    ...Object.entries(mount.options ?? {}).map(([key, value]) =>
      optionWord(key, value) ?? refuse(`the option "${key}" has a comma`)
    ),
  ];
}

function plain(word: string): string {
  if (word.includes(",")) refuse(`"${word}" has a comma`);
  return word;
}

/** Words of mount(8) for what holds for the mount itself. */
function attributeWords(attributes: MountAttributes): string[] {
  const words: string[] = [];
  const add = (word: string, value: boolean | "recursive" | undefined) => {
    if (value === "recursive") words.push(`r${word}`);
    else if (value) words.push(word);
  };
  add("ro", attributes.readonly);
  add("nosuid", attributes.nosuid);
  add("nodev", attributes.nodev);
  add("noexec", attributes.noexec);
  add("nosymfollow", attributes.nosymfollow);
  add("nodiratime", attributes.nodiratime);
  if (attributes.atime !== undefined) words.push(attributes.atime);
  if (attributes.propagation !== undefined) words.push(attributes.propagation);
  return words;
}

function checkSize(options: string[]): string[] {
  const size = new TextEncoder().encode(options.join(",")).length;
  if (size > DATA_LIMIT) {
    refuse(
      `its options take ${size} bytes, and mount(2) drops what is beyond ${DATA_LIMIT}`,
    );
  }
  return options;
}
