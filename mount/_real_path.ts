/** The path without links, as the table of mounts writes it; as it was given if there is nothing. */
export function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}

/** The same, but a link at its end stays one. */
export function realPlace(path: string): string {
  const [, folder, name] = /^(.*\/)?([^/]+)\/*$/.exec(path) ?? [];
  if (name === undefined || name === "." || name === "..") {
    return realPath(path);
  }
  return `${realPath(folder ?? ".").replace(/\/$/, "")}/${name}`;
}
