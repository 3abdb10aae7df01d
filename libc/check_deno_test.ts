import { assertThrows } from "@std/assert";
import { checkDeno } from "./_check_deno.ts";

Deno.test("library() says that Deno is too old, and takes this and newer ones", () => {
  for (
    const fine of ["2.9.6", "2.9.10", "2.10.0", "3.0.0", Deno.version.deno]
  ) {
    checkDeno(fine);
  }
  for (const old of ["1.46.3", "2.0.0", "2.9.5"]) {
    assertThrows(
      () => checkDeno(old),
      Deno.errors.NotSupported,
      `Deno 2.9.6 or newer is needed, this is ${old}`,
    );
  }
});
