/** The parts of a path, cleaned as text: `..` takes back the part before it and never leaves the root. */
export function cleanPath(path: string): string[] {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return names;
}
