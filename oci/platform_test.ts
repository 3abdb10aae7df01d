import { assertEquals, assertThrows } from "@std/assert";
import {
  choosePlatform,
  formatPlatform,
  hostPlatform,
  matchesPlatform,
  normalizePlatform,
  parsePlatform,
  type Platform,
  platformFallbacks,
} from "./mod.ts";

Deno.test("parsePlatform() reads specifiers as containerd does", () => {
  const cases: Readonly<Record<string, string>> = {
    "linux/amd64": "linux/amd64",
    "Linux/x86_64": "linux/amd64",
    "linux/x86-64/v1": "linux/amd64",
    "linux/amd64/v3": "linux/amd64/v3",
    "macos/aarch64": "darwin/arm64",
    "linux/i386": "linux/386",
    "linux/386/x": "linux/386",
    "arm64": "linux/arm64",
    "linux": "linux/amd64",
    "windows": "windows/amd64",
    "linux/arm64/v8": "linux/arm64",
    "linux/arm64/8": "linux/arm64",
    "linux/arm64/v8.0": "linux/arm64",
    "linux/arm64/v8.2": "linux/arm64/v8.2",
    "linux/arm64/9.0": "linux/arm64/v9",
    "linux/arm": "linux/arm/v7",
    "linux/arm/6": "linux/arm/v6",
    "linux/armhf": "linux/arm/v7",
    "linux/armel": "linux/arm/v6",
    "riscv64": "linux/riscv64",
    "windows(10.0.17763)/amd64": "windows(10.0.17763)/amd64",
    "windows(10.0+win32k)/amd64": "windows(10.0+win32k)/amd64",
  };
  for (const [specifier, expected] of Object.entries(cases)) {
    assertEquals(formatPlatform(parsePlatform(specifier)), expected, specifier);
  }
});

Deno.test("parsePlatform() refuses what is no specifier", () => {
  for (
    const bad of [
      "",
      "/",
      "linux/",
      "a/b/c/d",
      "linux/amd 64",
      "x(1)",
      "linux/(a)",
    ]
  ) {
    assertThrows(
      () => parsePlatform(bad),
      SyntaxError,
      "Cannot parse platform",
    );
  }
});

Deno.test("normalizePlatform() is the same the second time", () => {
  for (const architecture of ["x86_64", "aarch64", "armhf", "armel", "arm"]) {
    const once = normalizePlatform({ os: "LINUX", architecture });
    assertEquals(normalizePlatform(once), once);
  }
});

Deno.test("platformFallbacks() lists what else a machine runs", () => {
  const list = (specifier: string) =>
    platformFallbacks(parsePlatform(specifier)).map((platform) =>
      formatPlatform(platform).slice("linux/".length)
    );
  assertEquals(list("amd64"), ["amd64", "386"]);
  assertEquals(list("linux/amd64/v3"), [
    "amd64/v3",
    "amd64/v2",
    "amd64",
    "386",
  ]);
  assertEquals(list("linux/arm/v7"), ["arm/v7", "arm/v6", "arm/v5"]);
  const arm32 = ["arm/v8", "arm/v7", "arm/v6", "arm/v5"];
  assertEquals(list("arm64"), ["arm64", ...arm32]);
  assertEquals(list("linux/arm64/v8.2"), [
    "arm64/v8.2",
    "arm64/v8.1",
    "arm64",
    ...arm32,
  ]);
  assertEquals(list("linux/arm64/v9.1"), [
    "arm64/v9.1",
    "arm64/v9",
    "arm64/v8.6",
    "arm64/v8.5",
    "arm64/v8.4",
    "arm64/v8.3",
    "arm64/v8.2",
    "arm64/v8.1",
    "arm64",
    ...arm32,
  ]);
  assertEquals(list("riscv64"), ["riscv64"]);
});

function choose(wanted: string, ...offered: string[]): string | undefined {
  const found = choosePlatform(
    offered.map((specifier) => ({ platform: parsePlatform(specifier) })),
    parsePlatform(wanted),
  );
  return found && formatPlatform(found.platform);
}

Deno.test("choosePlatform() takes the best that runs, and nothing that does not", () => {
  assertEquals(choose("amd64", "arm64", "amd64"), "linux/amd64");
  assertEquals(
    choose("linux/amd64/v3", "amd64", "linux/amd64/v2", "linux/amd64/v4"),
    "linux/amd64/v2",
  );
  assertEquals(choose("amd64", "linux/amd64/v2"), undefined);
  assertEquals(choose("amd64", "386"), "linux/386");
  assertEquals(
    choose("linux/arm/v6", "linux/arm/v7", "linux/arm/v5"),
    "linux/arm/v5",
  );
  assertEquals(choose("arm64", "linux/arm/v7"), "linux/arm/v7");
  assertEquals(choose("amd64", "windows/amd64"), undefined);
});

Deno.test("choosePlatform() passes over attestations and entries without a platform, and keeps the order of equals", () => {
  const wanted = parsePlatform("amd64");
  const unknown = { platform: { os: "unknown", architecture: "unknown" } };
  assertEquals(choosePlatform([unknown, {}], wanted), undefined);
  const first = { platform: wanted, name: "first" };
  const second = { platform: wanted, name: "second" };
  assertEquals(choosePlatform([unknown, first, second], wanted), first);
});

Deno.test("choosePlatform() prefers who uses more of the offered features", () => {
  const base: Platform = { os: "windows", architecture: "amd64" };
  const plain = { platform: base };
  const rich = { platform: { ...base, "os.features": ["win32k"] } };
  assertEquals(choosePlatform([plain, rich], base), plain);
  assertEquals(
    choosePlatform([plain, rich], { ...base, "os.features": ["win32k"] }),
    rich,
  );
});

Deno.test("matchesPlatform() compares versions of the operating system by their start", () => {
  const image = parsePlatform("windows(10.0.17763.1)/amd64");
  const match = (specifier: string) =>
    matchesPlatform(image, parsePlatform(specifier));
  assertEquals(match("windows(10.0.17763)/amd64"), true);
  assertEquals(match("windows(10.0.1776)/amd64"), false);
  assertEquals(match("windows/amd64"), true);
});

Deno.test("hostPlatform() reads the level of x86-64 from the CPU's flags", () => {
  const v2 = "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3";
  const v3 = `${v2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave`;
  const v4 = `${v3} avx512f avx512bw avx512cd avx512dq avx512vl`;
  const of = (flags: string) =>
    hostPlatform({ cpuinfo: `processor : 0\nflags\t\t: fpu ${flags}\n` })
      .variant;
  if (Deno.build.arch !== "x86_64") return;
  assertEquals([of(""), of(v2), of(v3), of(v4)], [undefined, "v2", "v3", "v4"]);
  assertEquals(of(v3.replace("fma", "")), "v2");
  assertEquals(hostPlatform().variant, undefined);
});
