import type { OverlayMount } from "./mount.ts";

/** `OVL_MAX_STACK` of the kernel. */
const MAX_LAYERS = 500;

/** Refuses what the kernel would refuse with a number alone, or truncate. */
export function checkOverlay(mount: OverlayMount): void {
  const fail = (why: string): never => {
    throw new TypeError(`Cannot mount the overlay: ${why}`);
  };
  const layers = mount.lower.length + (mount.data?.length ?? 0);
  if (mount.lower.length === 0) fail("it has no lower layer");
  if (layers > MAX_LAYERS) {
    fail(
      `${layers} layers are more than the kernel's ${MAX_LAYERS}: merge some of them`,
    );
  }
  if ((mount.upper === undefined) !== (mount.work === undefined)) {
    fail("upper and work go together");
  }
  for (
    const path of [
      ...mount.lower,
      ...mount.data ?? [],
      mount.upper ?? "/",
      mount.work ?? "/",
    ]
  ) {
    if (typeof path === "string" && !path.startsWith("/")) {
      fail(`"${path}" is no absolute path`);
    }
  }
}

/** Options that hold whatever the way of mounting is, `true` for a word alone. */
export function overlayOptions(
  mount: OverlayMount,
): [key: string, value: string | true][] {
  const options: Record<string, string | true> = { ...mount.options };
  // With an index a second use of the upper would be refused by number alone, and lowers could never change.
  if (
    mount.upper !== undefined && options.index === undefined &&
    options.nfs_export === undefined
  ) options.index = "off";
  if (mount.volatile) options.volatile = true;
  return Object.entries(options);
}
