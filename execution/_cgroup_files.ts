/** The kernel's way to say "no limit" in cgroup v1: the largest whole page count. */
const UNLIMITED_V1 = 2 ** 62;

/** The text of a file of a cgroup; `undefined` when the kernel does not have it. */
export function cgroupText(
  folder: string | undefined,
  file: string,
): string | undefined {
  if (folder === undefined) return undefined;
  try {
    return Deno.readTextFileSync(`${folder}/${file}`);
  } catch {
    return undefined;
  }
}

/** The number in a file; `undefined` for `max`, no limit, and what is not there. */
export function cgroupNumber(
  folder: string | undefined,
  file: string,
): number | undefined {
  const text = cgroupText(folder, file)?.trim();
  if (text === undefined || text === "" || text === "max") return undefined;
  const value = Number(text);
  return Number.isNaN(value) || value >= UNLIMITED_V1 ? undefined : value;
}

/** The numbers of a file of `key value` lines. */
export function cgroupFields(
  folder: string | undefined,
  file: string,
): Record<string, number> | undefined {
  const text = cgroupText(folder, file);
  if (text === undefined) return undefined;
  const fields: Record<string, number> = {};
  for (const line of text.split("\n")) {
    const space = line.indexOf(" ");
    if (space > 0) fields[line.slice(0, space)] = Number(line.slice(space + 1));
  }
  return fields;
}
