import { type Arguments, type Flags, UsageError } from "./command.ts";

/** A flag of a word, by its long name, with the value that the word holds. */
type Given = readonly [name: string, value?: string];

/** What is in a word such as `--name=value`, `-it`, `-n5` or `-itn5`. */
function split(word: string, { booleans = [], alias = {} }: Flags): Given[] {
  if (word.startsWith("--")) {
    const [name = "", value] = word.slice(2).split(/=(.*)/s);
    return [value === undefined ? [name] : [name, value]];
  }
  const given: Given[] = [];
  for (let at = 1; at < word.length; at++) {
    const name = alias[word[at]!] ?? "";
    const rest = word.slice(at + 1);
    // The first that takes a value takes what is left of the word.
    if (!booleans.includes(name) && rest !== "") {
      return [...given, [name, rest.replace(/^=/, "")]];
    }
    given.push([name]);
  }
  return given;
}

/**
 * Reads words and flags as Docker and most others do: `--flag value`,
 * `--flag=value`, `-f value`, `-fvalue`, and `-ab` for flags without a value.
 * After `--` nothing is a flag.
 *
 * @throws {UsageError} If there is no such flag, or it has no value.
 */
export function parseFlags(line: readonly string[], flags: Flags): Arguments {
  const { booleans = [], strings = [], lists = [] } = flags;
  const values = new Map<string, string[]>();
  const words: string[] = [];
  const rest = [...line];
  const valueOf = (word: string, [name, value]: Given): string => {
    if (booleans.includes(name)) {
      if (value === undefined || value === "true") return "true";
      if (value === "false") return value;
      throw new UsageError(`--${name} is on or off, not "${value}"`);
    }
    if (!strings.includes(name) && !lists.includes(name)) {
      throw new UsageError(`There is no flag ${word}`);
    }
    const given = value ?? rest.shift();
    if (given === undefined) throw new UsageError(`${word} takes a value`);
    return given;
  };
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--") break;
    if (word === "-" || !word.startsWith("-")) {
      words.push(word);
      if (flags.stopEarly) break;
      continue;
    }
    for (const given of split(word, flags)) {
      const [name] = given;
      values.set(name, [...values.get(name) ?? [], valueOf(word, given)]);
    }
  }
  return {
    words: [...words, ...rest],
    flag: (name) => values.get(name)?.at(-1) === "true",
    string: (name) => values.get(name)?.at(-1),
    list: (name) => values.get(name) ?? [],
  };
}
