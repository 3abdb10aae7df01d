/**
 * Lays an environment over another; `null` removes a name, and so does one
 * without `=`, as for Docker.
 *
 * @throws {TypeError} If a name is empty or holds `=`.
 */
export function mergeEnv(
  base: readonly string[],
  over: Readonly<Record<string, string | null>>,
): string[] {
  const env = new Map<string, string>();
  for (const entry of base) {
    const name = entry.split("=", 1)[0]!;
    if (name === entry) env.delete(name);
    else env.set(name, entry);
  }
  for (const [name, value] of Object.entries(over)) {
    if (name === "" || name.includes("=")) {
      throw new TypeError(
        `Cannot set the environment "${name}": expected a name without "="`,
      );
    }
    if (value === null) env.delete(name);
    else env.set(name, `${name}=${value}`);
  }
  return [...env.values()];
}
