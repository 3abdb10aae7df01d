import {
  type CreateSpecOptions,
  defaultApparmor,
  loadApparmor,
} from "@containerkit/execution";

const NAME = "containerkit-default";
const LOADED = "/sys/kernel/security/apparmor/profiles";

function isLoaded(): boolean {
  try {
    return Deno.readTextFileSync(LOADED).split("\n")
      .some((line) => line.startsWith(`${NAME} (`));
  } catch {
    return false;
  }
}

/** The profile of a container for which none was asked: the default one, on machines that have AppArmor. */
export async function apparmorOf(
  { privileged, apparmorProfile }: Partial<CreateSpecOptions>,
  signal: AbortSignal,
): Promise<Pick<CreateSpecOptions, "apparmorProfile">> {
  if (apparmorProfile !== undefined) return { apparmorProfile };
  if (privileged) return {};
  try {
    if (!isLoaded()) await loadApparmor(defaultApparmor(NAME), { signal });
    return { apparmorProfile: NAME };
  } catch (error) {
    if (error instanceof Deno.errors.NotSupported) return {};
    throw error;
  }
}
