import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { tempDir } from "@containerkit/tests";
import {
  addressesOf,
  bridgeOf,
  leaseAddress,
  releaseAddresses,
  subnetOf,
} from "./ipam.ts";

const prefix = "10.89.7";

Deno.test("bridgeOf() is another for another folder, and fits a link", () => {
  assertNotEquals(bridgeOf("/run/a"), bridgeOf("/run/b"));
  assertEquals(bridgeOf("/run/a").length <= 15, true);
});

Deno.test("subnetOf() is the same for a folder and another for each other, however many", async () => {
  using temp = tempDir();
  const options = { claims: `${temp.path}/claims/subnets.json` };
  const folders = Array.from({ length: 60 }, (_, at) => `${temp.path}/${at}`);
  const choose = () =>
    Promise.all(folders.map((folder) => subnetOf(folder, options)));
  const first = await choose();
  assertEquals(new Set(first.map(({ prefix }) => prefix)).size, 60);
  assertEquals(await choose(), first);
});

Deno.test("subnetOf() takes again what a folder had that is gone, or was killed before it took it", async () => {
  using temp = tempDir();
  const options = { claims: `${temp.path}/subnets.json` };
  const first = await subnetOf(`${temp.path}/a`, options);
  Deno.removeSync(`${temp.path}/a/subnet.json`);
  assertEquals(await subnetOf(`${temp.path}/a`, options), first);
  Deno.removeSync(`${temp.path}/a`, { recursive: true });
  await subnetOf(`${temp.path}/b`, options);
  const claims = JSON.parse(Deno.readTextFileSync(options.claims));
  assertEquals(Object.values(claims), [`${temp.path}/b`]);
});

Deno.test("leaseAddress() never gives an address twice, and takes it back", () => {
  using temp = tempDir();
  using first = leaseAddress(temp.path, { owner: "a", prefix });
  assertEquals(first.address, `${prefix}.2/24`);
  {
    using second = leaseAddress(temp.path, { owner: "b", prefix });
    assertEquals(second.address, `${prefix}.3/24`);
  }
  using third = leaseAddress(temp.path, { owner: "c", prefix });
  assertEquals(third.address, `${prefix}.3/24`);
});

Deno.test("releaseAddresses() frees what was kept, of its owner only", () => {
  using temp = tempDir();
  assertEquals(addressesOf(temp.path, "a"), []);
  leaseAddress(temp.path, { owner: "a", prefix }).keep();
  leaseAddress(temp.path, { owner: "b", prefix }).keep();
  assertEquals(addressesOf(temp.path, "a"), [`${prefix}.2`]);
  releaseAddresses(temp.path, "a");
  assertEquals(addressesOf(temp.path, "a"), []);
  assertEquals(addressesOf(temp.path, "b"), [`${prefix}.3`]);
  using again = leaseAddress(temp.path, { owner: "c", prefix });
  assertEquals(again.address, `${prefix}.2/24`);
});

Deno.test("leaseAddress() says when none is left", () => {
  using temp = tempDir();
  for (let host = 2; host < 255; host++) {
    leaseAddress(temp.path, { owner: "a", prefix }).keep();
  }
  assertThrows(
    () => leaseAddress(temp.path, { owner: "b", prefix }),
    Error,
    "are taken",
  );
});
