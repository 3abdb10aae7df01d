/**
 * Looking for AppArmor profiles.
 *
 * @module
 */

import { isLoaded } from "./_apparmor.ts";
import { readHost } from "./_read_host.ts";

/**
 * Tells whether the kernel has an AppArmor profile, from securityfs.
 *
 * @param profile Its name.
 * @returns Whether it does; false too where AppArmor is not active, or only root may ask.
 *
 * @example Usage
 * ```ts
 * import { isApparmorLoaded } from "@containerkit/execution";
 *
 * console.log(isApparmorLoaded("containerkit-default"));
 * ```
 */
export function isApparmorLoaded(profile: string): boolean {
  return isLoaded(profile, readHost) ?? false;
}
