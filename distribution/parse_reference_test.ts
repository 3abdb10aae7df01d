import { assertEquals, assertThrows } from "@std/assert";
import { formatReference, parseReference } from "./mod.ts";

const HEX = "a".repeat(64);

Deno.test("parseReference() reads what Docker reads", () => {
  const cases: Readonly<Record<string, string>> = {
    alpine: "docker.io/library/alpine:latest",
    "alpine:3": "docker.io/library/alpine:3",
    "team/app": "docker.io/team/app:latest",
    "index.docker.io/alpine": "docker.io/library/alpine:latest",
    "docker.io/alpine": "docker.io/library/alpine:latest",
    "localhost/app": "localhost/app:latest",
    "localhost:5000/app:1": "localhost:5000/app:1",
    "example.com/a/b/c__d-e.f": "example.com/a/b/c__d-e.f:latest",
    "UPPER/app": "UPPER/app:latest",
    "[::1]:5000/app": "[::1]:5000/app:latest",
    [`alpine@sha256:${HEX}`]: `docker.io/library/alpine@sha256:${HEX}`,
    [`quay.io/a:1@sha256:${HEX}`]: `quay.io/a:1@sha256:${HEX}`,
  };
  for (const [text, expected] of Object.entries(cases)) {
    assertEquals(formatReference(parseReference(text)), expected, text);
    assertEquals(
      parseReference(expected, { strict: true }),
      parseReference(text),
    );
  }
});

Deno.test("parseReference() refuses what is no reference", () => {
  for (
    const bad of [
      "",
      "/",
      "Alpine",
      "a//b",
      "a/../b",
      "example.com/",
      "example.com/-a",
      "a:",
      `a:${"x".repeat(129)}`,
      "a@sha256:12",
      "a b",
      HEX,
      `example.com/${"a".repeat(250)}`,
      "exa mple.com/a",
      "example.com:port/a",
      "https://example.com/a",
    ]
  ) {
    assertThrows(
      () => parseReference(bad),
      SyntaxError,
      "Cannot parse reference",
      bad,
    );
  }
});

Deno.test("parseReference() takes full names only when it is strict", () => {
  for (const short of ["alpine:3", "team/app:1", "localhost/app"]) {
    assertThrows(() => parseReference(short, { strict: true }), SyntaxError);
  }
});
