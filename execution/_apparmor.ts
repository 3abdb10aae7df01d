import type { Read } from "./_read_host.ts";

/** Whether the kernel has AppArmor. */
export function isActive(read: Read): boolean {
  return read("/sys/module/apparmor/parameters/enabled")?.trim() === "Y";
}

/** Whether a profile is loaded; without securityfs nobody can tell. */
export function isLoaded(
  profile: string,
  read: Read,
): boolean | undefined {
  return read("/sys/kernel/security/apparmor/profiles")?.split("\n")
    .some((line) => line.startsWith(`${profile} (`));
}
