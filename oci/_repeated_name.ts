/** The index of the quote that ends a string, of valid JSON. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1;;) {
    at = text.indexOf('"', at);
    let slashes = 0;
    while (text[at - 1 - slashes] === "\\") slashes++;
    if (slashes % 2 === 0) return at;
    at++;
  }
}

/**
 * Finds a name that an object holds twice. Parsers differ in which of the two they take, so such a document is two documents.
 *
 * @param text Valid JSON.
 */
export function repeatedName(text: string): string | undefined {
  /** The names of each object that is open; `undefined` for a list. */
  const open: (Set<string> | undefined)[] = [];
  const next = /["{}[\]]/g;
  const colon = /\s*:/y;
  for (let found; (found = next.exec(text)) !== null;) {
    switch (found[0]) {
      case "{":
        open.push(new Set());
        break;
      case "[":
        open.push(undefined);
        break;
      case '"': {
        const end = endOfString(text, found.index);
        next.lastIndex = end + 1;
        const names = open.at(-1);
        // Within an object, what a colon follows is a name.
        colon.lastIndex = end + 1;
        if (names === undefined || !colon.test(text)) break;
        const name: string = JSON.parse(text.slice(found.index, end + 1));
        if (names.has(name)) return name;
        names.add(name);
        break;
      }
      default:
        open.pop();
    }
  }
  return undefined;
}
