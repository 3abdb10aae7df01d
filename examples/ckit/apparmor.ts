import {
  type CreateSpecOptions,
  defaultApparmor,
  isApparmorLoaded,
  loadApparmor,
} from "@containerkit/execution";

const NAME = "containerkit-default";

/** The profile of a container for which none was asked: the default one, on machines that have AppArmor. */
export async function apparmorOf(
  { privileged, apparmorProfile }: Partial<CreateSpecOptions>,
  signal: AbortSignal,
): Promise<Pick<CreateSpecOptions, "apparmorProfile">> {
  if (privileged || apparmorProfile !== undefined) return {};
  try {
    // Compiling it takes longer than to start a container.
    if (!isApparmorLoaded(NAME)) {
      await loadApparmor(defaultApparmor(NAME), { signal });
    }
    return { apparmorProfile: NAME };
  } catch (error) {
    if (error instanceof Deno.errors.NotSupported) return {};
    throw error;
  }
}
