import { assertEquals } from "@std/assert";
import { formatBar, formatSize } from "./progress.ts";

const descriptor = {
  mediaType: "application/octet-stream",
  digest: `sha256:${"ab".repeat(32)}`,
  size: 2048,
};

Deno.test("formatSize() uses the largest unit that fits", () => {
  assertEquals(formatSize(0), "0 B");
  assertEquals(formatSize(1023), "1023 B");
  assertEquals(formatSize(1536), "1.5 KiB");
  assertEquals(formatSize(5 * 1024 ** 4), "5120.0 GiB");
});

Deno.test("formatBar() never exceeds the width of the terminal", () => {
  for (const columns of [10, 40, 80, 200]) {
    for (const type of ["progress", "done", "retry"] as const) {
      const line = formatBar({ type, descriptor, offset: 1024 }, columns);
      assertEquals(line.length <= columns, true);
    }
  }
});

Deno.test("formatBar() is full at the end, also of an empty blob", () => {
  const empty = { ...descriptor, size: 0 };
  const line = formatBar({ type: "done", descriptor: empty, offset: 0 }, 80);
  assertEquals(line, `sha256:abababababab [${"=".repeat(33)}] done`);
});
