import { testIf } from "../test_if.ts";
import { type GuestOptions, missingGuest, runGuest } from "./run_guest.ts";

/** Declares a test that passes when a command in a guest ends with 0. */
export function guestTest(name: string, options: GuestOptions): void {
  testIf(
    missingGuest(options.kernel),
    `${name}, on Linux ${options.kernel}`,
    async () => {
      const { code, output } = await runGuest(options);
      if (code !== 0) {
        throw new Error(
          `The command ended with ${code} in the guest:\n${
            output.slice(-16_000)
          }`,
        );
      }
    },
  );
}
