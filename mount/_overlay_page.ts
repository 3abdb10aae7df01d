import { type Fd, openAt, OpenFlag } from "@containerkit/libc";
import { callMount, MAX_PAGE } from "./_call_mount.ts";
import { explain } from "./_explain.ts";
import { overlayOptions } from "./_overlay_options.ts";
import { escapeLayer, escapeOption, optionWord } from "./_overlay_words.ts";
import type { OverlayMount } from "./mount.ts";

/** Mounts an overlay of named layers on a place, by mount(2). */
export function mountByPage(
  mount: OverlayMount,
  { lower, data, place }: {
    lower: readonly string[];
    data: readonly string[];
    place: string;
  },
): void {
  using stack = new DisposableStack();
  const page = writePage(mount, { lower, data }, stack);
  callMount({
    source: "overlay",
    target: place,
    type: "overlay",
    data: page,
    action: "mount overlay",
    describe: (errno) => ({
      detail: explain(errno, { call: "fsconfig", type: "overlay" }),
    }),
  });
}

export function openDirectory(path: string, stack: DisposableStack): Fd {
  return stack.use(
    openAt(undefined, path, OpenFlag.PATH | OpenFlag.DIRECTORY),
  );
}

/** A short name of any directory, for the time of a call. */
export function nameOf(directory: Fd): string {
  return `/proc/self/fd/${directory.number}`;
}

function refuseComma(key: string): never {
  throw new TypeError(
    `Cannot mount the overlay: the option "${key}" has a comma, and mount(2), the only way here, takes it for its end`,
  );
}

/** The options of mount(2): with the names of the layers, or when these take too much room with short ones. */
function writePage(
  mount: OverlayMount,
  { lower, data }: { lower: readonly string[]; data: readonly string[] },
  stack: DisposableStack,
): string {
  const write = (name: (path: string) => string) => {
    const word = (path: string) => escapeOption(escapeLayer(name(path)));
    const plain = (path: string) =>
      escapeOption(name(path).replaceAll("\\", "\\\\"));
    return [
      `lowerdir=${lower.map(word).join(":")}${
        data.map((path) => `::${word(path)}`).join("")
      }`,
      ...(mount.upper === undefined ? [] : [`upperdir=${plain(mount.upper)}`]),
      ...(mount.work === undefined ? [] : [`workdir=${plain(mount.work)}`]),
      ...overlayOptions(mount).map(([key, value]) =>
        optionWord(key, value) ?? refuseComma(key)
      ),
    ].join(",");
  };
  const size = (text: string) => new TextEncoder().encode(text).length;
  const full = write((path) => path);
  if (size(full) <= MAX_PAGE) return full;
  const short = write((path) => nameOf(openDirectory(path, stack)));
  if (size(short) <= MAX_PAGE) return short;
  throw new TypeError(
    `Cannot mount the overlay: ${lower.length} layers take ${
      size(short)
    } bytes, and mount(2), the only way here, drops what is beyond ${MAX_PAGE}: merge some of them`,
  );
}
