import { assertEquals, assertStringIncludes } from "@std/assert";
import { tempDir } from "@containerkit/tests";
import { nameServers, writeDnsFiles } from "./dns.ts";

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

Deno.test("writeDnsFiles() names servers that the container can reach", () => {
  using temp = tempDir();
  const write = (name: string, text: string) => {
    Deno.writeTextFileSync(`${temp.path}/${name}`, text);
    return `${temp.path}/${name}`;
  };
  const stub = write("stub", "nameserver 127.0.0.53\nsearch example.org\n");
  const uplink = write("uplink", "nameserver 192.0.2.1\nnameserver ::1\n");
  const none = `${temp.path}/none`;
  const written = (sources: string[], sharesHost = false) => {
    writeDnsFiles(temp.path, { hostname: "web", sources, sharesHost });
    return Deno.readTextFileSync(`${temp.path}/resolv.conf`);
  };
  assertEquals(written([stub, uplink]), "nameserver 192.0.2.1\n");
  assertEquals(written([uplink, stub]), "nameserver 192.0.2.1\n");
  assertEquals(written([stub, none]), "search example.org\n");
  assertEquals(written([none]), "");
  const whole = "nameserver 127.0.0.53\nsearch example.org\n";
  assertEquals(written([stub, uplink], true), whole);
});

Deno.test("nameServers() gives the addresses that the container's resolv.conf names", () => {
  using temp = tempDir();
  const source = `${temp.path}/hosts`;
  Deno.writeTextFileSync(
    source,
    [
      "# nameserver 192.0.2.9",
      "nameserver 127.0.0.1",
      "nameserver 192.0.2.1",
      " nameserver\t2001:db8::1 second",
      "nameserver fe80::1%eth0",
      "nameserver 192.0.2",
      "search 192.0.2.8",
    ].join("\n"),
  );
  assertEquals(nameServers({ sources: [source] }), [
    "192.0.2.1",
    "2001:db8::1",
  ]);
  assertEquals(nameServers({ sources: [`${temp.path}/none`] }), []);
});
