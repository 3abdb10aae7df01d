/** Gives the text of a file of the machine, of a folder nothing; `undefined` if there is none. */
export type Read = (path: string) => string | undefined;

/** Reads this machine's. */
export function readHost(path: string): string | undefined {
  try {
    return Deno.statSync(path).isDirectory ? "" : Deno.readTextFileSync(path);
  } catch {
    return undefined; // not there, or nothing for us
  }
}
