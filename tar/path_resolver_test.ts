import { assertEquals, assertThrows } from "@std/assert";
import {
  createPathResolver,
  type PathEntry,
  type PathNode,
} from "./create_path_resolver.ts";
import { TarError } from "./tar_error.ts";

/** Entries as `name`, `name/`, `name -> target` or `name = other`. */
function parse(line: string): PathEntry {
  const [, name = "", sign, other = ""] = /^(\S+)(?: (->|=) (\S+))?$/.exec(
    line,
  )!;
  return {
    path: name.split("/").filter((part) => part !== ""),
    isDirectory: name.endsWith("/"),
    ...sign === "->" ? { symlink: other } : {},
    ...sign === "=" ? { link: other.split("/") } : {},
  };
}

function resolve(
  path: string,
  layer: readonly string[],
  lower: readonly string[] = [],
): string | undefined {
  const below = new Map(
    lower.map(parse).map((entry) => [entry.path.join("/"), entry]),
  );
  const viewOf = (path: string): PathNode => ({
    symlink: below.get(path)?.symlink,
    child(name) {
      const child = path === "" ? name : `${path}/${name}`;
      return below.has(child) ? viewOf(child) : undefined;
    },
  });
  const resolver = createPathResolver(layer.map(parse), viewOf(""));
  return resolver(path.split("/"))?.join("/");
}

Deno.test("createPathResolver() follows links as if the root were /", () => {
  const layer = ["a/", "a/b -> ../../c", "d -> /a/b", "e -> ./f//g"];
  assertEquals(resolve("a/b/x", layer), "c/x");
  assertEquals(resolve("d", layer), "c");
  assertEquals(resolve("e/..", layer), "f");
  assertEquals(resolve("../../x", layer), "x");
});

Deno.test("createPathResolver() follows a link below unless the layer replaces it", () => {
  const lower = ["l -> a", "a/"];
  assertEquals(resolve("l/x", ["y"], lower), "a/x");
  assertEquals(resolve("l/x", ["l/"], lower), "l/x");
  assertEquals(resolve("l/x", ["l"], lower), undefined);
  assertEquals(resolve("l/x", ["l -> b"], lower), "b/x");
  assertEquals(resolve("l", ["l/f"], lower), "a");
});

Deno.test("createPathResolver() sees nothing behind a file of the layer", () => {
  const lower = ["a/", "a/l -> /b"];
  assertEquals(resolve("a/l/x", ["c"], lower), "b/x");
  assertEquals(resolve("a/l/x", ["a"], lower), undefined);
});

Deno.test("createPathResolver() puts entries where their own paths lead", () => {
  const lower = ["l -> a", "a/", "a/m -> /b"];
  assertEquals(resolve("a/m/x", ["l/m/"], lower), "a/m/x");
  assertEquals(resolve("a/m/x", ["n -> /l", "n/m -> c"], lower), "a/c/x");
});

Deno.test("createPathResolver() takes a hard link for the link that it is", () => {
  const lower = ["l -> a", "f"];
  assertEquals(resolve("h/x", ["h = l"], lower), "a/x");
  assertEquals(resolve("h/x", ["m -> b", "h = m"], lower), "b/x");
  assertEquals(resolve("l/x", ["l = f"], lower), undefined);
});

Deno.test("createPathResolver() refuses more links than the kernel follows", () => {
  assertThrows(
    () => resolve("a/x", ["a -> b", "b -> a"]),
    TarError,
    'the path "a/x" goes through too many symbolic links',
  );
});

Deno.test("createPathResolver() takes the last entry of a name", () => {
  const lower = ["b/", "b/x"];
  assertEquals(resolve("a/x", ["a -> b", "a/"], lower), "a/x");
  assertEquals(resolve("a/x", ["a -> b", "a"], lower), undefined);
  assertEquals(resolve("a/x", ["a/", "a -> b"], lower), "b/x");
  assertEquals(resolve("a/x", ["a -> b", "a -> c"], lower), "c/x");
  assertEquals(resolve("a/l/x", ["a -> b", "a/f", "a/", "a/l -> /c"]), "c/x");
  assertEquals(resolve("a/l/x", ["a/l -> /c", "a", "a/"]), "a/l/x");
});

Deno.test("createPathResolver() refuses links of too many parts in one path", () => {
  const deep = (count: number) => Array(count).fill("d").join("/");
  assertEquals(resolve("a", [`a -> ${deep(4095)}`]), deep(4095));
  for (
    const layer of [
      [`a -> ${deep(4096)}`],
      [`a -> ${deep(1_000_000)}`],
      [`b -> ${deep(2048)}`, `a -> b/${deep(2048)}`],
    ]
  ) {
    assertThrows(
      () => resolve("a", layer),
      TarError,
      'the path "a" is too long with the symbolic links it goes through',
    );
  }
});

Deno.test("createPathResolver() looks at each part of a path once", () => {
  let looks = 0;
  const below: PathNode = {
    child() {
      looks++;
      return below;
    },
  };
  const links = [`a -> ${"d/".repeat(1000)}`, `b -> a/${"d/".repeat(1000)}`];
  const resolver = createPathResolver(links.map(parse), below);
  looks = 0;
  assertEquals(resolver(["b", "x"])?.length, 2001);
  // The two links as well.
  assertEquals(looks, 2003);
});
