import { createHash } from "node:crypto";
import type { RuntimeOptions } from "./runtime.ts";
import type { Spec } from "./spec.ts";
import { SpecError } from "./validate_spec.ts";

/** Of three parts each may be empty but the last. */
const UNIT_REGEXP = /^[^:/]*:[^:/]*:[^:/]+$/;
/** Below the root, and of names that lead nowhere else. */
const PATH_REGEXP = /^(?:\/(?!\.{1,2}(?:\/|$))[^/]+)+$/;

/**
 * Where a container stands in the cgroup tree: what its spec says, else a place
 * of its own for every container of every state folder. With systemd it is the
 * name of a unit, `slice:prefix:name`.
 *
 * @throws {SpecError} If the spec has the one where the other is needed.
 */
export function cgroupPathOf(
  spec: Spec,
  options: {
    readonly runtime: Pick<RuntimeOptions, "systemdCgroup">;
    readonly state: string;
    readonly id: string;
  },
): string {
  const { state, id, runtime } = options;
  const given = spec.linux?.cgroupsPath;
  if (given !== undefined) {
    if (runtime.systemdCgroup && !UNIT_REGEXP.test(given)) {
      throw new SpecError(
        "linux.cgroupsPath",
        `is "${given}", expected slice:prefix:name, as systemd makes the cgroup`,
      );
    }
    if (!runtime.systemdCgroup && !PATH_REGEXP.test(given)) {
      throw new SpecError(
        "linux.cgroupsPath",
        `is "${given}", expected a path such as /parent/name: the container's processes are ended by its cgroup`,
      );
    }
    return given;
  }
  const hash = createHash("sha256").update(
    runtime.systemdCgroup ? `${state}\0${id}` : state,
  ).digest("hex").slice(0, 8);
  return runtime.systemdCgroup
    // The only character of an id that the name of a unit may not have.
    ? `:containerkit:${id.replaceAll("+", "_")}-${hash}`
    : `/containerkit-${id}-${hash}`;
}
