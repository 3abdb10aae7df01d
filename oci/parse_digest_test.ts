import { assertEquals, assertThrows } from "@std/assert";
import { parseDigest } from "./mod.ts";

Deno.test("parseDigest() reads each known hash function", () => {
  for (const [algorithm, length] of [["sha256", 64], ["sha512", 128]]) {
    const hex = "a1".repeat(Number(length) / 2);
    assertEquals(parseDigest(`${algorithm}:${hex}`), { algorithm, hex });
  }
});

Deno.test("parseDigest() refuses what is not a digest", () => {
  const hex = "0".repeat(64);
  for (
    const bad of [
      "",
      hex,
      `sha256:${hex}0`,
      `sha256:${hex.slice(1)}`,
      `sha256:${"A".repeat(64)}`,
      `md5:${"0".repeat(32)}`,
      `sha256:../${hex.slice(3)}`,
    ]
  ) {
    assertThrows(() => parseDigest(bad), SyntaxError, "Cannot parse digest");
  }
});
