import { assertEquals, assertRejects } from "@std/assert";
import { describeError } from "./describe_error.ts";

Deno.test("describeError() tells users who are not root what to do where they may not be", () => {
  const text = "Permission denied (os error 13): mkdir '/var/lib/containerkit'";
  const denied = new Deno.errors.PermissionDenied(text);
  assertEquals(
    describeError(denied, false),
    `${text}; as another user than root choose folders of your own with --root and --state`,
  );
  assertEquals(describeError(denied, true), text);
  const own = new Deno.errors.PermissionDenied("it needs root");
  assertEquals(describeError(own, false), "it needs root");
  assertEquals(describeError(new TypeError("a"), false), "a");
  assertEquals(describeError("a", false), "a");
});

Deno.test("describeError() tells what failed and what undoing it failed with", async () => {
  const fail = (why: string) => Promise.reject(new Error(why));
  const error = await assertRejects(async () => {
    await using _outer = { [Symbol.asyncDispose]: () => fail("c") };
    await using _inner = { [Symbol.asyncDispose]: () => fail("b") };
    await fail("a");
  });
  assertEquals(describeError(error), "a; and then: b; and then: c");
});
