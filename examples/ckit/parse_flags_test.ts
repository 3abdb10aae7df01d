import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "./command.ts";
import { parseFlags } from "./parse_flags.ts";

const FLAGS = {
  booleans: ["interactive", "tty"],
  strings: ["name", "limit"],
  lists: ["env"],
  alias: { i: "interactive", t: "tty", n: "name", e: "env" },
};

function parse(line: string[], more = {}) {
  const { words, flag, string, list } = parseFlags(line, { ...FLAGS, ...more });
  return [
    words,
    flag("interactive"),
    flag("tty"),
    string("name"),
    list("env"),
  ];
}

Deno.test("parseFlags() takes values in every form", () => {
  for (
    const line of [
      ["-i", "-t", "--name", "a b", "--env", "A=1", "--env=B=-", "word"],
      ["word", "-it", "-na b", "-eA=1", "-e=B=-"],
      ["-itna b", "word", "-e", "A=1", "--env", "B=-"],
      ["--interactive=true", "-t", "-n", "no", "-n", "a b", "-eA=1", "-eB=-"]
        .concat("word"),
    ]
  ) {
    assertEquals(parse(line), [["word"], true, true, "a b", ["A=1", "B=-"]]);
  }
  assertEquals(parse(["--name", "", "-i", "--interactive=false"]), [
    [],
    false,
    false,
    "",
    [],
  ]);
  assertEquals(parseFlags(["--limit", "-1"], FLAGS).string("limit"), "-1");
});

Deno.test("parseFlags() leaves to a program what is the program's", () => {
  const line = ["-i", "image", "sh", "-c", "a", "--", "-t", "--", "true"];
  assertEquals(parse(line, { stopEarly: true })[0], line.slice(1));
  assertEquals(parse(["-", "-i", "--", "-t", "--"])[0], ["-", "-t", "--"]);
});

Deno.test("parseFlags() refuses what is no flag, and flags without a value", () => {
  for (
    const [line, message] of [
      [["--bogus"], "There is no flag --bogus"],
      [["-x"], "There is no flag -x"],
      [["-ix"], "There is no flag -ix"],
      [["--__proto__=1"], "There is no flag --__proto__=1"],
      [["word", "--name"], "--name takes a value"],
      [["-in"], "-in takes a value"],
      [["--tty=maybe"], '--tty is on or off, not "maybe"'],
    ] as const
  ) {
    assertThrows(() => parse([...line]), UsageError, message);
  }
});
