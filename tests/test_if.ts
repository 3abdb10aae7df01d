import { takeInventory, waitForInventory } from "./leak_check.ts";

/** Where skips are noted, one JSON line each, for the closing line of the run. */
const SKIP_LOG = Deno.env.get("CONTAINERKIT_SKIPS");

/**
 * Declares a test that runs only where nothing is missing. The only way to skip.
 *
 * @param missing Why it cannot run here, or `undefined` when it can.
 */
export function testIf(
  missing: string | undefined,
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
): void {
  if (missing === undefined) {
    Deno.test(name, fn);
    return;
  }
  if (SKIP_LOG !== undefined) {
    Deno.writeTextFileSync(
      SKIP_LOG,
      `${JSON.stringify({ name, reason: missing })}\n`,
      { append: true },
    );
  }
  Deno.test.ignore(`${name} (skipped: ${missing})`, fn);
}

/**
 * Declares a test that needs root, and fails it when the machine is not as
 * before afterwards: mounts, network namespaces, links, loop devices, cgroups,
 * child processes, descriptors.
 *
 * @param missing What else is missing, or `undefined`.
 */
export function rootTest(
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
  missing?: string,
): void {
  const reason = Deno.build.os !== "linux"
    ? "not Linux"
    : Deno.uid() !== 0
    ? "not root"
    : missing;
  testIf(reason, name, async (t) => {
    const before = takeInventory();
    await fn(t);
    await waitForInventory(before);
  });
}
