/**
 * Which boot of the machine this is.
 *
 * @module
 */

const PATH = "/proc/sys/kernel/random/boot_id";
let known: string | undefined;

/**
 * The id of this boot: rows that hold only until the machine restarts carry it.
 *
 * Requires `--allow-all`, as everything under `/proc` does; see
 * [random(4)](https://man7.org/linux/man-pages/man4/random.4.html).
 *
 * @returns A UUID that is another one after each start of the machine.
 * @throws {Deno.errors.NotCapable} Without that permission.
 * @throws {Deno.errors.NotFound} Where there is no such file, as on other systems.
 *
 * @example Usage
 * ```ts
 * import { bootId } from "@containerkit/state";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(bootId(), bootId());
 * ```
 */
export function bootId(): string {
  known ??= Deno.readTextFileSync(PATH).trim();
  return known;
}
