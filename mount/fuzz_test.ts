import { assert, assertEquals } from "@std/assert";
import {
  fromContainerd,
  type MountinfoEntry,
  parseMountinfo,
  parseOptions,
  toContainerd,
} from "./mod.ts";

const IS_LONG = Deno.env.get("CONTAINERKIT_LONG") !== undefined;

/** The same sequence for the same seed: mulberry32. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) % below;
  };
}

/** Runs it with one seed after another: some thousand, or in the long form for a minute. */
function forEachSeed(check: (next: (below: number) => number) => void): void {
  const end = performance.now() + 60_000;
  for (let seed = 1; IS_LONG ? performance.now() < end : seed <= 3000; seed++) {
    try {
      check(random(seed));
    } catch (error) {
      throw new Error(`Seed ${seed}`, { cause: error });
    }
  }
}

const LETTERS = [..."abz09/.:,=-_ \t\n\\#é\u{1F600}"];

function text(next: (below: number) => number): string {
  const length = next(12);
  return Array.from({ length }, () => LETTERS[next(LETTERS.length)]).join("");
}

/** As the kernel writes a field: its four separators as octal numbers. */
function escape(field: string): string {
  return field.replace(
    /[ \t\n\\]/g,
    (letter) => `\\${letter.charCodeAt(0).toString(8).padStart(3, "0")}`,
  );
}

function entry(next: (below: number) => number): MountinfoEntry {
  const word = () => `w${text(next).replaceAll(",", "")}`;
  return {
    id: next(1e9),
    parent: next(1e9),
    device: `${next(512)}:${next(1e6)}`,
    root: `/${text(next)}`,
    target: `/${text(next)}`,
    options: ["rw", "nosuid"].slice(0, 1 + next(2)),
    propagation: ["shared:7", "master:3", "unbindable"].slice(next(4)),
    type: word(),
    source: word(),
    superOptions: Array.from({ length: 1 + next(3) }, word),
  };
}

function line(entry: MountinfoEntry): string {
  return [
    entry.id,
    entry.parent,
    entry.device,
    escape(entry.root),
    escape(entry.target),
    entry.options.join(","),
    ...entry.propagation,
    "-",
    escape(entry.type),
    escape(entry.source),
    entry.superOptions.map(escape).join(","),
  ].join(" ");
}

Deno.test("parseMountinfo() reads what the kernel writes, whatever the names", () => {
  forEachSeed((next) => {
    const entries = Array.from({ length: next(4) }, () => entry(next));
    const table = entries.map((entry) => `${line(entry)}\n`).join("");
    assertEquals(parseMountinfo(table), entries);
  });
});

Deno.test("parseMountinfo() takes damaged tables or says which line is wrong", () => {
  forEachSeed((next) => {
    const letters = [...`${line(entry(next))}\n${line(entry(next))}\n`];
    for (let count = 1 + next(6); count > 0; count--) {
      const at = next(letters.length);
      if (next(2) === 0) letters.splice(at, 1 + next(20));
      else letters.splice(at, 0, LETTERS[next(LETTERS.length)]!);
    }
    try {
      parseMountinfo(letters.join(""));
    } catch (error) {
      assert(error instanceof SyntaxError, String(error));
      assert(/line \d+/.test(error.message), error.message);
    }
  });
});

const WORDS = [
  "ro",
  "rw",
  "rro",
  "bind",
  "rbind",
  "remount",
  "nosuid",
  "rslave",
  "size=1m",
  "mode=755",
  "lowerdir=/a:/b",
  "lowerdir=/a\\:b",
  "upperdir=/u",
  "X-containerd.x",
  "defaults",
  "device=/d",
];

/**
 * Whether JSON says all of it. Not by reading it back: V8 15.0 takes a key that is escaped for one that begins as the
 * escape is written, which an object before it had.
 */
function isJson(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value === "string" || typeof value === "boolean") return true;
  if (Array.isArray(value)) return value.every(isJson);
  return value !== null && typeof value === "object" &&
    Object.getPrototypeOf(value) === Object.prototype &&
    Object.values(value).every(isJson);
}

Deno.test("parseOptions() and fromContainerd() take any words or refuse them by type", () => {
  forEachSeed((next) => {
    const options = Array.from(
      { length: next(6) },
      () => next(3) === 0 ? text(next) : WORDS[next(WORDS.length)]!,
    );
    const type = ["bind", "overlay", "tmpfs", "erofs", "ext4", text(next)][
      next(6)
    ]!;
    const isRefusal = (error: unknown) =>
      error instanceof TypeError || error instanceof SyntaxError;
    try {
      parseOptions(options);
    } catch (error) {
      assert(isRefusal(error), String(error));
    }
    try {
      const mount = fromContainerd({ type, source: "/s", options });
      assert(isJson(mount), Deno.inspect(mount));
      // What was read is written so that it reads the same.
      const again = toContainerd(mount);
      assertEquals(toContainerd(fromContainerd(again)), again);
    } catch (error) {
      assert(isRefusal(error), String(error));
    }
  });
});
