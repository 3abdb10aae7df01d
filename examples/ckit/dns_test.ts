import { assertEquals, assertStringIncludes } from "@std/assert";
import { tempDir } from "@containerkit/tests";
import { writeDnsFiles } from "./dns.ts";

Deno.test("writeDnsFiles() names the container in hosts and hostname", () => {
  using temp = tempDir();
  const { mounts } = writeDnsFiles(temp.path, {
    hostname: "blue",
    address: "10.0.0.2/24",
  });
  assertEquals(mounts.map(({ destination }) => destination), [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/hostname",
  ]);
  assertStringIncludes(
    Deno.readTextFileSync(`${temp.path}/hosts`),
    "10.0.0.2\tblue\n",
  );
  assertEquals(Deno.readTextFileSync(`${temp.path}/hostname`), "blue\n");
});
