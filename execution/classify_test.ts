import { assertEquals } from "@std/assert";
import { classify, lastError } from "./_classify.ts";

/** What runc 1.1 and 1.3 and crun 1.8 and 1.28 said. */
const SAID: readonly (readonly [string, string])[] = [
  ["NotFound", "container does not exist"],
  [
    "NotFound",
    "error opening file `/run/crun/x/status`: No such file or directory",
  ],
  [
    "NotFound",
    "container `x` does not exist: open `/run/crun/x/status`: No such file",
  ],
  [
    "NotFound",
    "cannot open directory '/run/crun/x': No such file or directory",
  ],
  ["AlreadyExists", "container with given ID already exists"],
  ["AlreadyExists", "container `x` already exists"],
  ["BadBundle", "chdir /x: no such file or directory"],
  ["BadBundle", "chdir `/x` failed"],
  ["BadBundle", "JSON specification file config.json not found"],
  [
    "BadBundle",
    "runc create failed: invalid character 'n' looking for beginning of object key string",
  ],
  ["BadBundle", "error stat'ing file `/nope`: No such file or directory"],
  ["AlreadyRunning", "cannot start an already running container"],
  [
    "AlreadyRunning",
    "cannot open `/run/crun/x/exec.fifo`: No such file or directory",
  ],
  ["NotRunning", "cannot start a container that has stopped"],
  ["NotRunning", "cannot exec in a stopped container"],
  ["NotRunning", "container not running"],
  ["NotRunning", "setns `mnt`: Bad file descriptor"],
  ["NotRunning", "open pidfd: No such process"],
  [
    "CommandNotFound",
    'exec failed: unable to start container process: exec: "/nope": stat /nope: no such file or directory',
  ],
  ["CommandNotFound", 'exec: "nope": executable file not found in $PATH'],
  [
    "CommandNotFound",
    "executable file `/nope` not found: No such file or directory",
  ],
  [
    "Paused",
    "cannot exec in a paused container (use --ignore-paused to override)",
  ],
  ["Paused", "the container `x` is paused"],
  ["NotPaused", "container not paused"],
  ["NotStopped", "cannot delete container x that is not stopped: running"],
  [
    "NotStopped",
    "delete container `x`: it is not in `created` or `stopped` state",
  ],
  [
    "NotSupported",
    'CRIU version check failed: exec: "criu": executable file not found in $PATH',
  ],
  [
    "NotSupported",
    "criu failed: type NOTIFY errno 0\nlog file: /tmp/rootfs/dump.log",
  ],
  [
    "NotSupported",
    "CRIU checkpointing failed -52.  Please check CRIU logfile /tmp/a/dump.log",
  ],
  ["NotSupported", "error: unrecognized subcommand 'restore'"],
  ["Failed", "something new"],
];

Deno.test("classify() knows the words of runc and crun", () => {
  for (const [code, text] of SAID) {
    assertEquals([classify(text), text], [code, text]);
  }
});

Deno.test("lastError() takes the last error of a log, not warnings after it", () => {
  const log = [
    '{"level":"error","msg":"first"}',
    '{"level":"error","msg":"second"}',
    '{"level":"warning","msg":"can not raise ambient capability"}',
    "second",
  ].join("\n");
  assertEquals(lastError(log), "second");
  assertEquals(lastError("plain words\n"), "plain words");
  assertEquals(lastError(""), "");
});
