import { isActive, isLoaded } from "./_apparmor.ts";
import { type Read, readHost } from "./_read_host.ts";
import type { RuntimeOptions } from "./runtime.ts";
import type { Spec } from "./spec.ts";

/** As sd_booted(3) does. */
function systemd(
  { systemdCgroup }: Pick<RuntimeOptions, "systemdCgroup">,
  read: Read,
): string | undefined {
  if (!systemdCgroup || read("/run/systemd/system") !== undefined) {
    return undefined;
  }
  return `systemd does not run here, which "systemdCgroup" needs: without it the runtime makes the cgroups by itself`;
}

function apparmor({ process }: Spec, read: Read): string | undefined {
  const profile = process?.apparmorProfile;
  if (!profile || profile === "unconfined") return undefined;
  const field = `"process.apparmorProfile" ("${profile}")`;
  if (!isActive(read)) {
    return `AppArmor is not active here, which ${field} needs`;
  }
  // Where nobody can tell, the runtime will.
  if (isLoaded(profile, read) ?? true) return undefined;
  return `${field} is not loaded: loadApparmor() does that`;
}

function selinux({ process, linux }: Spec, read: Read): string | undefined {
  const field = process?.selinuxLabel
    ? "process.selinuxLabel"
    : linux?.mountLabel
    ? "linux.mountLabel"
    : undefined;
  if (field === undefined || read("/sys/fs/selinux/enforce") !== undefined) {
    return undefined;
  }
  return `SELinux is not active here, which "${field}" needs`;
}

/**
 * What the machine lacks that a container was asked to have. Runtimes tell it in
 * words that do not name the option, or pass over it in silence.
 *
 * @param read Gives the text of a file of the machine.
 */
export function missingOfHost(
  runtime: Pick<RuntimeOptions, "systemdCgroup">,
  spec: Spec,
  read: Read = readHost,
): string | undefined {
  return systemd(runtime, read) ?? apparmor(spec, read) ?? selinux(spec, read);
}
