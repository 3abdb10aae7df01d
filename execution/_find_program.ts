/** The path of a program as execvp(3) finds it; `undefined` if there is none. */
export function findProgram(name: string): string | undefined {
  if (name.includes("/")) return name;
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  return folders.map((folder) => `${folder || "."}/${name}`).find((path) => {
    try {
      const { isFile, mode } = Deno.statSync(path);
      return isFile && ((mode ?? 0) & 0o111) !== 0;
    } catch {
      return false;
    }
  });
}
