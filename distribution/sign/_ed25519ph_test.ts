import { assert, assertFalse } from "@std/assert";
import { verifyEd25519ph } from "./_ed25519ph.ts";

/** The vector of RFC 8032, section 7.3. */
const key = Uint8Array.fromHex(
  "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
);
const message = new TextEncoder().encode("abc");
const signature = Uint8Array.fromHex(
  "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41" +
    "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406",
);

Deno.test("verifyEd25519ph() takes the signature of RFC 8032", () => {
  assert(verifyEd25519ph(message, signature, key));
});

Deno.test("verifyEd25519ph() refuses any other", () => {
  assertFalse(verifyEd25519ph(message.subarray(1), signature, key));
  assertFalse(verifyEd25519ph(message, signature.subarray(1), key));
  assertFalse(verifyEd25519ph(message, new Uint8Array(64), key));
  assertFalse(verifyEd25519ph(message, signature, new Uint8Array(32)));
  for (let at = 0; at < 64; at += 5) {
    const changed = signature.slice();
    changed[at]! ^= 4;
    assertFalse(verifyEd25519ph(message, changed, key), `byte ${at}`);
  }
});
