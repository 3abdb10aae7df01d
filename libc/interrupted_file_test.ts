// Signals in the midst of calls on files and sockets that are made again.
import { assertEquals } from "@std/assert";
import { need, testIf } from "../tests/mod.ts";
import { interrupted, NOT_LINUX, TABLE, WAIT } from "./_alarm_test.ts";
import { connectUnix, library } from "./mod.ts";

/** Takes a connection each so often; at most one waits for it. */
const LISTENER = `
import socket, sys, time
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(0)
print("ready", flush=True)
while True:
    listener.accept()
    time.sleep(${WAIT / 1000})
`;

testIf(
  NOT_LINUX ?? need("python3"),
  "connectUnix() goes on after a signal",
  async () => {
    using table = library(TABLE);
    const symbols = table();
    const path = await Deno.makeTempDir();
    const child = new Deno.Command("python3", {
      args: ["-c", LISTENER, `${path}/socket`],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    const output = child.stdout.getReader();
    try {
      await output.read();
      interrupted(symbols, "connect", (arm) => {
        arm();
        // One is taken, one waits to be taken, and the third waits for that.
        for (let one = 0; one < 3; one++) connectUnix(`${path}/socket`).close();
      });
    } finally {
      child.kill();
      await output.cancel();
      await child.status;
      await Deno.remove(path, { recursive: true });
    }
  },
);

/** Tells which of its calls were cut off, and what they gave in the end. */
const CALLS = `
import { channel } from "node:diagnostics_channel";
import { copyFileRange, fallocate, fsync, openAt, OpenFlag, write } from "@containerkit/libc";
const [folder] = Deno.args;
const cut = [];
channel("containerkit:libc").subscribe(({ name, errno }) => {
  if (errno === 4) cut.push(name);
});
const open = (name) => openAt(undefined, folder + "/" + name, OpenFlag.RDWR | OpenFlag.CREAT);
using source = open("source");
using target = open("target");
write(source, new Uint8Array(100));
fsync(source);
fsync(source, { dataOnly: true });
fallocate(source, { length: 100 });
const copied = copyFileRange(source, target, { from: 0, to: 0, length: 100 });
console.log(JSON.stringify({ cut, copied }));
`;

// No filesystem that a test has at hand lets a signal into these (tmpfs did into fallocate(2) once, network ones and those
// of user programs do): strace stands in.
testIf(
  NOT_LINUX ?? need("strace"),
  "fsync(), fallocate() and copyFileRange() go on after a signal",
  async () => {
    const path = await Deno.makeTempDir();
    const calls = "fsync,fdatasync,fallocate,copy_file_range";
    const { success, stdout, stderr } = await new Deno.Command("strace", {
      args: [
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        `--trace=${calls}`,
        `--inject=${calls}:error=EINTR:when=1`,
        Deno.execPath(),
        "eval",
        "--no-lock",
        CALLS,
        path,
      ],
      cwd: new URL("..", import.meta.url).pathname,
      stdin: "null",
    }).output();
    await Deno.remove(path, { recursive: true });
    const [text, errors] = [stdout, stderr].map((bytes) =>
      new TextDecoder().decode(bytes)
    );
    assertEquals(success, true, errors);
    assertEquals(JSON.parse(text!), {
      cut: ["fsync", "fdatasync", "fallocate64", "copy_file_range"],
      copied: 100,
    });
  },
);
