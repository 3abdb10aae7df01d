import { assertEquals, assertThrows } from "@std/assert";
import { openSecretbox, sealSecretbox } from "./_secretbox.ts";

const bytes = (hex: string) =>
  Uint8Array.from(hex.match(/../g)!, (pair) => parseInt(pair, 16));

/** `tests/secretbox.c` and `tests/secretbox.out` of NaCl. */
const key = bytes(
  "1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389",
);
const nonce = bytes("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37");
const message = bytes(
  "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb31" +
    "0e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f93776384864" +
    "5e0705",
);
const box = bytes(
  "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c972" +
    "71d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b3" +
    "7973f622a43d14a6599b1f654cb45a74e355a5",
);

Deno.test("sealSecretbox() makes the box of NaCl's test", () => {
  assertEquals(sealSecretbox(message, { key, nonce }), box);
});

Deno.test("openSecretbox() opens the box of NaCl's test", () => {
  assertEquals(openSecretbox(box, { key, nonce }), message);
});

Deno.test("openSecretbox() refuses a box with any bit changed", () => {
  for (let at = 0; at < box.length; at++) {
    const changed = box.slice();
    changed[at]! ^= 1 << (at % 8);
    assertEquals(openSecretbox(changed, { key, nonce }), undefined);
  }
  assertEquals(openSecretbox(box.subarray(0, 15), { key, nonce }), undefined);
});

Deno.test("openSecretbox() opens what was sealed, of every length", () => {
  for (let length = 0; length < 200; length++) {
    const text = new Uint8Array(length).fill(length);
    assertEquals(
      openSecretbox(sealSecretbox(text, { key, nonce }), { key, nonce }),
      text,
    );
  }
});

Deno.test("openSecretbox() refuses a key of the wrong size", () => {
  assertThrows(
    () => openSecretbox(box, { key: key.subarray(1), nonce }),
    RangeError,
    "found 31 and 24",
  );
});
