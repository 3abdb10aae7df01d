import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { tempDir } from "@containerkit/tests";
import { leaseAddress, releaseAddresses, subnetOf } from "./ipam.ts";

Deno.test("subnetOf() is the same for a folder and another for another", () => {
  using one = tempDir();
  using two = tempDir();
  assertEquals(subnetOf(one.path), subnetOf(one.path));
  assertNotEquals(subnetOf(one.path).bridge, subnetOf(two.path).bridge);
  assertEquals(subnetOf(one.path).bridge.length <= 15, true);
});

Deno.test("leaseAddress() never gives an address twice, and takes it back", () => {
  using temp = tempDir();
  const { prefix } = subnetOf(temp.path);
  using first = leaseAddress(temp.path, "a");
  assertEquals(first.address, `${prefix}.2/24`);
  {
    using second = leaseAddress(temp.path, "b");
    assertEquals(second.address, `${prefix}.3/24`);
  }
  using third = leaseAddress(temp.path, "c");
  assertEquals(third.address, `${prefix}.3/24`);
});

Deno.test("releaseAddresses() frees what was kept, of its owner only", () => {
  using temp = tempDir();
  leaseAddress(temp.path, "a").keep();
  leaseAddress(temp.path, "b").keep();
  releaseAddresses(temp.path, "a");
  using again = leaseAddress(temp.path, "c");
  assertEquals(again.address, `${subnetOf(temp.path).prefix}.2/24`);
});

Deno.test("leaseAddress() says when none is left", () => {
  using temp = tempDir();
  for (let host = 2; host < 255; host++) leaseAddress(temp.path, "a").keep();
  assertThrows(() => leaseAddress(temp.path, "b"), Error, "are taken");
});
