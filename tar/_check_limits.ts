import type { TarLimits } from "./limit_error.ts";

/** Nothing is above NaN: a limit that came of a number that is none would not be one. */
export function checkLimits(limits: TarLimits): void {
  for (const [name, maximum] of Object.entries(limits)) {
    if (maximum === undefined || maximum >= 0) continue;
    throw new RangeError(
      `Cannot limit "${name}" of an archive to ${maximum}: expected a number from 0`,
    );
  }
}
