import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { need, testIf } from "@containerkit/tests";
import { isActive } from "./_apparmor.ts";
import { readHost } from "./_read_host.ts";
import { defaultApparmor, isApparmorLoaded, loadApparmor } from "./mod.ts";

testIf(
  need("apparmor_parser"),
  "defaultApparmor() is what apparmor_parser compiles",
  async () => {
    await loadApparmor(defaultApparmor(), { dryRun: true });
    await loadApparmor(defaultApparmor("web-1.2"), { dryRun: true });
    await assertRejects(
      () => loadApparmor("profile {", { dryRun: true }),
      Deno.errors.InvalidData,
      "syntax error",
    );
  },
);

Deno.test("defaultApparmor() refuses names that would be more than a name", () => {
  for (const name of ["", "a b", "a {", "-x", "a\n"]) {
    assertThrows(() => defaultApparmor(name), TypeError, "profile of the name");
  }
});

Deno.test("loadApparmor() says that its parser is missing", async () => {
  await assertRejects(
    () =>
      loadApparmor(defaultApparmor(), {
        command: "/nowhere/apparmor_parser",
        dryRun: true,
      }),
    Deno.errors.NotSupported,
    "is not installed",
  );
});

testIf(
  isActive(readHost) ? "AppArmor is active here" : undefined,
  "loadApparmor() says that AppArmor is not active",
  async () => {
    await assertRejects(
      () => loadApparmor(defaultApparmor()),
      Deno.errors.NotSupported,
      "not active",
    );
    assertEquals(isApparmorLoaded("containerkit-default"), false);
  },
);
