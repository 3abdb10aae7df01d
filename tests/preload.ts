// A library that opens on first use would count as a leak of the test that happens to come first:
// every symbol family of every package is opened here, once.
import { errno, openAt } from "@containerkit/libc";

if (Deno.build.os === "linux") {
  openAt(undefined, "/").close();
  errno();
}
