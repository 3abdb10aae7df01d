import { testIf } from "../test_if.ts";
import { type GuestKernel, machineOf } from "./_machines.ts";
import { type GuestOptions, runGuest } from "./run_guest.ts";

/** Where the results of guests are noted, one JSON line each, for the closing lines of the run. */
const LOG = Deno.env.get("CONTAINERKIT_GUESTS");

/** What a guest, or a test in it, did. */
export interface GuestCounts {
  readonly guest: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
}

/** Adds up the closing lines of `deno test` in what a guest printed; `undefined` if no tests ran there. */
function countTests(
  output: string,
): { passed: number; failed: number; skipped: number } | undefined {
  const lines = [...output.matchAll(/^.*\d+ passed.*$/gm)];
  if (lines.length === 0) return undefined;
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const [line] of lines) {
    const number = (word: string) =>
      Number(new RegExp(`(\\d+) ${word}`).exec(line)?.[1] ?? 0);
    sum.passed += number("passed");
    sum.failed += number("failed");
    sum.skipped += number("ignored");
  }
  return sum;
}

/**
 * Declares a test that boots a guest with a kernel, or is skipped with the reason.
 *
 * @param run Boots guests; what it throws fails the test. It is given one that
 * adds the kernel, notes the counts of tests, and throws unless the command ended with 0 or the guest was cut.
 */
export function guestScript(
  name: string,
  kernel: GuestKernel,
  run: (
    boot: (options: Omit<GuestOptions, "kernel">) => Promise<string>,
  ) => Promise<void>,
): void {
  const { title, missing } = machineOf(kernel);
  const note = (counts: Omit<GuestCounts, "guest">) => {
    if (LOG === undefined) return;
    Deno.writeTextFileSync(
      LOG,
      `${JSON.stringify({ guest: title, ...counts })}\n`,
      { append: true },
    );
  };
  const reason = missing();
  if (reason !== undefined) {
    note({ passed: 0, failed: 0, skipped: 1, seconds: 0 });
  }
  testIf(reason, `${name}, on ${title}`, async () => {
    const start = performance.now();
    const sum = { passed: 0, failed: 0, skipped: 0 };
    try {
      await run(async (options) => {
        let isCut = false;
        const { code, output } = await runGuest({
          ...options,
          kernel,
          onLine: (line, { cut }) =>
            options.onLine?.(line, {
              cut() {
                isCut = true;
                cut();
              },
            }),
        });
        const counts = countTests(output);
        sum.passed += counts?.passed ?? 0;
        sum.failed += counts?.failed ?? 0;
        sum.skipped += counts?.skipped ?? 0;
        if (counts !== undefined && counts.passed + counts.failed === 0) {
          throw new Error(`No test ran in the guest:\n${output.slice(-4000)}`);
        }
        if (code === 0 || isCut) return output;
        throw new Error(
          `The command ended with ${code} in the guest:\n${
            output.slice(-16_000)
          }`,
        );
      });
      // A guest whose command counts no tests is one itself.
      if (sum.passed === 0) sum.passed = 1;
    } catch (error) {
      if (sum.failed === 0) sum.failed = 1;
      throw error;
    } finally {
      note({ ...sum, seconds: (performance.now() - start) / 1000 });
    }
  });
}

/** Declares a test that passes when a command in a guest ends with 0. */
export function guestTest(name: string, options: GuestOptions): void {
  guestScript(name, options.kernel, async (boot) => void await boot(options));
}
