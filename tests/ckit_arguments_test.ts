/**
 * How ckit reads what it is called with: nothing here needs root.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { ckit, startCkit, tempDir } from "./mod.ts";

Deno.test("ckit shows the help of all, of a group and of a command, however it is asked", async () => {
  using temp = tempDir();
  const options = { folder: temp.path };
  const calls: [string[], RegExp][] = [
    [[], /^ {2}run +run a command/m],
    [["help"], /^ {2}run +run a command/m],
    [["-h"], /^ {2}content ls +list blobs/m],
    [["content"], /^\n {2}content gc +[^]+\n {2}content why [^\n]+\n\n/m],
    [["content", "-h"], /^\n {2}content gc /m],
    [["help", "content", "ls"], /^ckit content ls \[--filter FILTER\]/],
    [["--help", "run"], /^ckit run \[--rm\]/],
    [["logs", "a", "--help"], /^ckit logs \[-f\]/],
    [["--version"], /^ckit \d/],
    [["-v"], /^ckit \d/],
    [["unpause", "-h"], /^ckit unpause ID/],
  ];
  for (const [args, expected] of calls) {
    const { code, stdout, stderr } = await ckit(args, options);
    assertEquals([code, stderr], [0, ""], args.join(" "));
    assertMatch(stdout, expected);
  }
});

Deno.test("ckit takes no wrong call for another", async () => {
  using temp = tempDir();
  const options = { folder: temp.path };
  const calls: [string[], string][] = [
    [["foo"], 'there is no command "foo"; ckit --help lists them'],
    [
      ["content", "foo"],
      'there is no command "content foo"; ckit content --help lists them',
    ],
    [["--bogus", "images"], "There is no flag --bogus"],
    [["logs", "a", "-n"], "-n takes a value"],
    [["registry", "serve", "--listen", ":0", "a"], "--listen takes HOST:PORT"],
    [
      ["registry", "gc", "--grace", "1h", "--now", "a"],
      "--grace and --now exclude each other",
    ],
    [["registry", "gc"], "ckit registry gc takes one folder"],
    [["--root=", "images"], "--root takes a folder"],
    [["--state", "", "ps"], "--state takes a folder"],
    [
      ["volume", "resize", "a", "1G", "b"],
      '"b" is a word too many: ckit volume resize NAME SIZE',
    ],
  ];
  for (const [args, message] of calls) {
    assertEquals(await ckit(args, options), {
      code: 2,
      stdout: "",
      stderr: `ckit: ${message}\n`,
    });
  }
});

Deno.test("ckit refuses names of containers that are none", async () => {
  using temp = tempDir();
  const options = { folder: temp.path };
  for (const name of ["", "../x", "a b", "-a", "a".repeat(65)]) {
    const { code, stderr } = await ckit(
      ["create", "--name", name, "x"],
      options,
    );
    assertEquals(code, 125);
    assertMatch(stderr, /^ckit: Cannot name a container /);
  }
  assertEquals([...Deno.readDirSync(temp.path)], []);
});

Deno.test("ckit ends quietly when nobody reads what it prints", async () => {
  using temp = tempDir();
  const child = startCkit(["help"], { folder: temp.path });
  await child.stdout.cancel();
  const errors = await new Response(child.stderr).text();
  assertEquals([(await child.status).code, errors], [141, ""]);
});

Deno.test("ckit goes on with the others after one of them failed", async () => {
  using temp = tempDir();
  const options = { folder: temp.path };
  for (
    const [command, message] of [
      ["rm", (id: string) => `Cannot find container "${id}": there is none`],
      ["stop", (id: string) => `Cannot find container "${id}": there is none`],
      [
        "rmi",
        (id: string) =>
          `Cannot remove image "docker.io/library/${id}:latest": there is no such name`,
      ],
    ] as const
  ) {
    const output = await ckit([command, "a", "b"], options);
    const stderr = ["a", "b"].map((id) => `ckit: ${message(id)}\n`).join("");
    assertEquals(output, { code: 1, stdout: "", stderr });
  }
});

Deno.test("ckit can be interrupted while it waits for its input", async () => {
  using temp = tempDir();
  const args = ["login", "-u", "me", "registry.example"];
  const child = startCkit(args, { folder: temp.path }, "piped");
  const writer = child.stdin.getWriter();
  // More than a pipe holds: it is reading once that is written.
  await writer.write(new Uint8Array(1 << 20));
  child.kill("SIGINT");
  assertEquals((await child.output()).code, 130);
  await writer.abort().catch(() => {});
});
