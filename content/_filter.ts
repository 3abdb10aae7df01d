/** What a filter is applied to: the value of a field path, or `undefined` if it has none. */
export type Fields = (path: readonly string[]) => string | undefined;

/** One comparison. */
export interface Term {
  readonly path: readonly string[];
  /** Whether there is the field, whether it is the value, or is not, or has a match of it. */
  readonly operator: "present" | "==" | "!=" | "~=";
  readonly value: string;
  readonly test: (value: string | undefined) => boolean;
}

/** Terms that all have to hold. */
export type Filter = readonly Term[];

const LONGEST_FILTER = 4096;
const BARE_FIELD_REGEXP = /[A-Za-z0-9_]+/y;
const BARE_VALUE_REGEXP = /[^\s,"'|/]+/y;

function fail(text: string, at: number, why: string): never {
  throw new SyntaxError(
    `Cannot parse filter ${
      JSON.stringify(text.slice(0, 200))
    }: ${why} at ${at}`,
  );
}

class Scanner {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  take(literal: string): boolean {
    if (!this.text.startsWith(literal, this.at)) return false;
    this.at += literal.length;
    return true;
  }

  /** `"…"`, or for regular expressions also `|…|` and `/…/`, with a backslash before what ends it. */
  quoted(ends: string): string | undefined {
    const end = this.text[this.at];
    if (end === undefined || !ends.includes(end)) return undefined;
    const start = this.at++;
    let value = "";
    for (;;) {
      const char = this.text[this.at++];
      if (char === undefined) fail(this.text, start, "no end of the quotes");
      if (char === end) return value;
      if (char !== "\\") value += char;
      else {
        const next = this.text[this.at++] ?? "";
        // In a regular expression the backslash is its own.
        value += end === '"' || next === end ? next : `\\${next}`;
      }
    }
  }

  bare(regexp: RegExp): string | undefined {
    regexp.lastIndex = this.at;
    const [value] = regexp.exec(this.text) ?? [];
    if (value !== undefined) this.at += value.length;
    return value;
  }
}

function scanTerm(scanner: Scanner): Term {
  const { text } = scanner;
  const path: string[] = [];
  do {
    const part = scanner.quoted('"') ?? scanner.bare(BARE_FIELD_REGEXP);
    if (part === undefined) fail(text, scanner.at, "expected a field");
    path.push(part);
  } while (scanner.take("."));
  const operator = (["==", "!=", "~="] as const).find((operator) =>
    scanner.take(operator)
  );
  if (operator === undefined) {
    return {
      path,
      operator: "present",
      value: "",
      test: (value) => value !== undefined,
    };
  }
  const start = scanner.at;
  const value = scanner.quoted(operator === "~=" ? '"|/' : '"') ??
    scanner.bare(BARE_VALUE_REGEXP);
  if (value === undefined) fail(text, start, "expected a value");
  if (operator === "==") {
    return { path, operator, value, test: (other) => other === value };
  }
  if (operator === "!=") {
    return { path, operator, value, test: (other) => other !== value };
  }
  let regexp: RegExp;
  try {
    regexp = new RegExp(value, "u");
  } catch (cause) {
    throw new SyntaxError(
      `Cannot parse filter ${JSON.stringify(text.slice(0, 200))}: ${
        (cause as Error).message
      }`,
      { cause },
    );
  }
  return {
    path,
    operator,
    value,
    test: (other) => other !== undefined && regexp.test(other),
  };
}

/**
 * Parses a filter by containerd's grammar: terms `field`, `field==value`, `field!=value` and `field~=regex`, joined by
 * commas; fields have parts joined by dots, parts and values may be quoted.
 */
function parseFilter(text: string): Filter {
  if (text.length > LONGEST_FILTER) {
    throw new RangeError(
      `Cannot parse filter: it is longer than ${LONGEST_FILTER} characters`,
    );
  }
  if (text === "") return [];
  const scanner = new Scanner(text);
  const terms: Term[] = [];
  do {
    terms.push(scanTerm(scanner));
  } while (scanner.take(","));
  if (scanner.at < text.length) {
    fail(text, scanner.at, "expected a comma or the end");
  }
  return terms;
}

/** Parses filters of which one has to hold; none hold for everything. */
export function parseFilters(
  filters: string | readonly string[] | undefined,
): readonly Filter[] {
  if (filters === undefined) return [[]];
  const list = typeof filters === "string" ? [filters] : filters;
  return list.length === 0 ? [[]] : list.map(parseFilter);
}

/** Whether one of the filters holds. */
export function matches(filters: readonly Filter[], fields: Fields): boolean {
  return filters.some((filter) =>
    filter.every(({ path, test }) => test(fields(path)))
  );
}
