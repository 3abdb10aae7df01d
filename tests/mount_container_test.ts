// Mounts and calls of libc inside of a container, under the filter of system calls that containers get.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  createSpec,
  defaultSeccomp,
  run,
  type Seccomp,
} from "@containerkit/execution";
import type { Mount } from "@containerkit/mount";
import { need, rootTest, tempDir } from "./mod.ts";

const ROOT = new URL("..", import.meta.url).pathname.replace(/\/$/, "");
/** The calls of the newer way to mount, which older filters do not know. */
const NEWER = [
  "fsconfig",
  "fsmount",
  "fsopen",
  "fspick",
  "mount_setattr",
  "move_mount",
  "open_tree",
];

interface Refusal {
  readonly code: string;
  readonly message: string;
}

interface Inside {
  readonly calls: readonly string[] | Refusal;
  readonly wrongErrors: number;
  readonly unshare: string | Refusal;
  readonly detached: string | null | undefined;
  readonly root: boolean;
  readonly proc: string;
  readonly mounts: boolean;
  readonly tmpfs: string | Refusal;
  readonly bind: string | Refusal;
  readonly overlay: readonly string[] | Refusal;
  readonly unmount: string | Refusal;
  readonly open: string | Refusal;
}

/** Not every architecture has a `/lib64`. */
function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** Runs `_mounts_inside.ts` in a container that shows this Deno and these sources at their places. */
async function inside(
  options: { capabilities?: readonly string[]; seccomp?: Seccomp } = {},
): Promise<Inside> {
  await using temp = tempDir();
  await Deno.mkdir(`${temp.path}/rootfs/tmp`, { recursive: true });
  const mirror = Deno.env.get("JSR_URL") ?? "";
  const places = new Set([
    "/etc",
    "/lib",
    "/lib64",
    "/usr",
    ROOT,
    Deno.realPathSync(Deno.execPath()).replace(/\/[^/]*$/, ""),
    ...(mirror.startsWith("file://")
      ? [new URL(mirror).pathname.replace(/\/$/, "")]
      : []),
  ]);
  const shown = [...places].filter(exists).map((path) => ({
    destination: path,
    mount: {
      type: "bind",
      source: path,
      recursive: true,
      readonly: "recursive",
    } satisfies Mount,
  }));
  const { capabilities, seccomp } = options;
  const spec = await createSpec({}, {
    rootfs: `${temp.path}/rootfs`,
    args: [
      Deno.realPathSync(Deno.execPath()),
      "run",
      "-A",
      "--no-check",
      "--no-prompt",
      `${ROOT}/tests/_mounts_inside.ts`,
    ],
    cwd: ROOT,
    env: {
      DENO_DIR: "/tmp/deno",
      DENO_NO_UPDATE_CHECK: "1",
      HOME: "/tmp",
      NO_COLOR: "1",
      ...(mirror === "" ? {} : { JSR_URL: mirror }),
    },
    mounts: [
      ...shown,
      { destination: "/tmp", mount: { type: "tmpfs", mode: 0o1777 } },
    ],
    ...(capabilities === undefined ? {} : { addCapabilities: capabilities }),
    ...(seccomp === undefined ? {} : { seccomp }),
  });
  await using container = await run(`mounts-${Deno.pid}`, spec, {
    state: `${temp.path}/run`,
    stdout: "piped",
    stderr: "piped",
  });
  const [stdout, stderr] = await Promise.all([
    new Response(container.stdout).text(),
    new Response(container.stderr).text(),
  ]);
  assertEquals((await container.status).code, 0, stdout + stderr);
  return JSON.parse(stdout);
}

/** What holds in every container. */
function checkCalls(found: Inside): void {
  assertEquals(found.calls, [
    "openat2 5",
    "copy_file_range 5",
    "statfs true",
    "message 1",
    "pidfd SIGKILL",
  ]);
  assertEquals(found.wrongErrors, 0);
  assertEquals([found.root, found.proc, found.mounts], [true, "proc", true]);
}

function refusal(found: unknown): Refusal {
  assert(
    typeof found === "object" && found !== null && "message" in found,
    JSON.stringify(found),
  );
  return found as Refusal;
}

rootTest(
  "in a container as it comes, calls work and mounts are refused with their reason",
  async () => {
    const found = await inside();
    checkCalls(found);
    assertEquals(refusal(found.unshare).code, "EPERM");
    assertStringIncludes(found.detached ?? "", "EPERM");
    for (const name of ["tmpfs", "bind", "overlay", "unmount"] as const) {
      const { code, message } = refusal(found[name]);
      assertEquals(code, "EPERM", message);
      assertStringIncludes(message, "Cannot ");
    }
    assertStringIncludes(refusal(found.open).message, "EPERM");
  },
  need("runc"),
);

rootTest(
  "in a container that may mount, under a filter that knows mount(2) alone, mounts are complete",
  async () => {
    const capabilities = ["CAP_SYS_ADMIN"];
    const filter = defaultSeccomp({ capabilities });
    const found = await inside({
      capabilities,
      seccomp: {
        ...filter,
        syscalls: filter.syscalls!.map((rule) => ({
          ...rule,
          names: rule.names.filter((name) => !NEWER.includes(name)),
        })).filter(({ names }) => names.length > 0),
      },
    });
    checkCalls(found);
    assertStringIncludes(found.detached ?? "", "mount() goes by mount(2)");
    assertEquals(found.tmpfs, "nodev,noexec,nosuid,relatime,ro");
    assertEquals(found.bind, "inside");
    assertEquals(found.overlay, ["file", "new"]);
    assertStringIncludes(
      refusal(found.open).message,
      "fsopen failed with EPERM",
    );
  },
  need("runc"),
);

rootTest(
  "in a container that may mount, mounts go the newer way",
  async () => {
    const found = await inside({ capabilities: ["CAP_SYS_ADMIN"] });
    checkCalls(found);
    assertEquals(found.detached ?? undefined, undefined);
    assertEquals(found.tmpfs, "nodev,noexec,nosuid,relatime,ro");
    assertEquals(found.bind, "inside");
    assertEquals(found.overlay, ["file", "new"]);
    assertEquals(found.open, "done");
  },
  need("runc"),
);
