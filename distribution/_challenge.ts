/** One challenge of a `WWW-Authenticate` header. */
export interface Challenge {
  /** In lower case, such as `bearer`. */
  readonly scheme: string;
  /** By names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN_REGEXP = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const QUOTED_REGEXP = /"((?:[^"\\]|\\.)*)"/y;
// Base64 of schemes such as Negotiate, which have no parameters.
const TOKEN68_REGEXP = /[A-Za-z0-9\-._~+/]+=*(?=\s*(?:,|$))/y;

/**
 * Reads the challenges of RFC 9110, section 11.6.1. Several headers arrive joined by commas, as do the
 * parameters of each, so a word is a scheme unless `=` follows it.
 */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let at = 0;
  const match = (regexp: RegExp): string | undefined => {
    regexp.lastIndex = at;
    const found = regexp.exec(header);
    if (found === null) return undefined;
    at = regexp.lastIndex;
    return found[1] ?? found[0];
  };
  const skip = (characters: string) => {
    while (at < header.length && characters.includes(header[at]!)) at++;
  };
  for (;;) {
    skip(" \t,");
    if (at >= header.length) return challenges;
    const word = match(TOKEN_REGEXP);
    if (word === undefined) return challenges;
    skip(" \t");
    const current = challenges.at(-1);
    if (header[at] === "=" && current !== undefined) {
      at++;
      skip(" \t");
      const quoted = match(QUOTED_REGEXP);
      const value = quoted?.replace(/\\(.)/g, "$1") ?? match(TOKEN_REGEXP);
      if (value === undefined) return challenges;
      const name = word.toLowerCase();
      // The first of two equal names counts, or a later one could change the realm.
      if (!current.parameters.has(name)) current.parameters.set(name, value);
      continue;
    }
    challenges.push({ scheme: word.toLowerCase(), parameters: new Map() });
    const start = at;
    const token68 = match(TOKEN68_REGEXP);
    // `Basic realm` would look like one as well, were it not for its `=`.
    if (token68 !== undefined && header[at] === "=") at = start;
  }
}
