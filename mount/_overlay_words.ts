/** `OVL_LAYERSEP`: layers are parted by colons, which a backslash hides, like itself. */
export function escapeLayer(path: string): string {
  return path.replace(/[\\:]/g, "\\$&");
}

/** Within the options of mount(2) a comma parts options; overlay takes a backslash before it. */
export function escapeOption(text: string): string {
  return text.replaceAll(",", "\\,");
}

/** Options that security modules read before overlay does: they take quotes around a value. */
const QUOTABLE: ReadonlySet<string> = new Set([
  "context",
  "fscontext",
  "defcontext",
  "rootcontext",
]);

/**
 * Writes an option that is no path for mount(2), where a comma ends it: overlay
 * takes a backslash before one in paths alone.
 *
 * @returns `undefined` if it cannot be written.
 */
export function optionWord(
  key: string,
  value: string | true,
): string | undefined {
  const word = value === true ? key : `${key}=${value}`;
  if (!word.includes(",")) return word;
  const isQuotable = value !== true && QUOTABLE.has(key) &&
    !value.includes('"');
  return isQuotable ? `${key}="${value}"` : undefined;
}

/** Undoes the quotes of an option. */
export function optionValue(key: string, word: string): string {
  return QUOTABLE.has(key) ? word.replace(/^"(.*)"$/s, "$1") : word;
}

/** Undoes both of `escapeLayer()` and `escapeOption()`. */
export function unescapeWord(text: string): string {
  return text.replace(/\\(.)/gs, "$1");
}

/** Takes `a:b::c` apart: layers, and behind a double colon layers of data alone. */
export function splitLayers(text: string): { lower: string[]; data: string[] } {
  const lower: string[] = [];
  const data: string[] = [];
  let list = lower;
  let word = "";
  const push = () => {
    if (word === "") {
      throw new SyntaxError(
        `Cannot read lowerdir=${text}: there is an empty layer`,
      );
    }
    list.push(unescapeWord(word));
    word = "";
  };
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "\\") word += text[at]! + (text[++at] ?? "");
    else if (text[at] !== ":") word += text[at];
    else {
      push();
      if (text[at + 1] === ":") {
        list = data;
        at++;
      } else if (list === data) {
        throw new SyntaxError(
          `Cannot read lowerdir=${text}: a layer with files follows one of data alone`,
        );
      }
    }
  }
  push();
  return { lower, data };
}
