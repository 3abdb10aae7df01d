/**
 * Loading AppArmor profiles.
 *
 * @module
 */

import { childOutput } from "@containerkit/libc";
import { isActive } from "./_apparmor.ts";
import { readHost } from "./_read_host.ts";

/** Options of {@linkcode loadApparmor}. */
export interface LoadApparmorOptions {
  /**
   * The program.
   *
   * @default {"apparmor_parser"}
   */
  readonly command?: string;
  /** Only checks that the profile can be compiled, which works where AppArmor is not active too. */
  readonly dryRun?: boolean;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

/**
 * Loads a profile into the kernel, in place of one of that name, by
 * apparmor_parser(8). Once after each boot is enough.
 *
 * @param profile Its text, as {@linkcode defaultApparmor} gives it.
 * @param options How.
 * @throws {Deno.errors.NotSupported} If AppArmor is not active here, or its parser not installed.
 * @throws {Deno.errors.InvalidData} If the parser refuses it; with its words.
 *
 * @example Usage
 * ```ts ignore
 * import { createSpec, defaultApparmor, loadApparmor } from "@containerkit/execution";
 *
 * await loadApparmor(defaultApparmor("web"));
 * const spec = await createSpec({}, {
 *   rootfs: "/rootfs",
 *   args: ["true"],
 *   apparmorProfile: "web",
 * });
 * ```
 */
export async function loadApparmor(
  profile: string,
  options: LoadApparmorOptions = {},
): Promise<void> {
  const { command = "apparmor_parser", dryRun = false, signal } = options;
  if (!dryRun && !isActive(readHost)) {
    throw new Deno.errors.NotSupported(
      `Cannot load an AppArmor profile: AppArmor is not active here`,
    );
  }
  signal?.throwIfAborted();
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(command, {
      args: [
        "--replace",
        "--skip-cache",
        ...dryRun ? ["--skip-kernel-load"] : [],
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new Deno.errors.NotSupported(
      `Cannot load an AppArmor profile: "${command}" is not installed`,
      { cause },
    );
  }
  const { success, stderr } = await childOutput(child, {
    input: profile,
    signal,
  });
  if (success) return;
  throw new Deno.errors.InvalidData(
    `Cannot load an AppArmor profile: ${stderr.trim() || `${command} failed`}`,
  );
}
