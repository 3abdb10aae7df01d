import { assertEquals, assertStringIncludes } from "@std/assert";
import { rootTest, tempDir } from "../tests/mod.ts";

const MOD = new URL("./mod.ts", import.meta.url).href;
const MUSL = `/lib/${Deno.build.arch}-linux-musl/libc.so`;
const SCRIPT = `import { openAt } from "${MOD}";
for (let round = 0; round < 2; round++) {
  try { openAt(undefined, "/"); console.log("opened"); } catch (error) { console.log(error.name, error.message); }
}`;

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

rootTest(
  "musl is refused by name, at every call",
  async () => {
    // In the place of the granted file, for the eyes of this one program.
    await using temp = tempDir();
    const { path } = temp;
    Deno.mkdirSync(`${path}/lib64`);
    for (const { name } of Deno.readDirSync("/lib64")) {
      Deno.copyFileSync(`/lib64/${name}`, `${path}/lib64/${name}`);
    }
    Deno.copyFileSync(MUSL, `${path}/lib64/libc.so.6`);
    Deno.writeTextFileSync(`${path}/script.ts`, SCRIPT);
    const command = [
      `mount --bind ${path}/lib64 "$(readlink -f /lib64)"`,
      `exec ${Deno.execPath()} run --no-prompt --no-config --allow-read --allow-ffi=/lib64/libc.so.6 ${path}/script.ts`,
    ].join(" && ");
    const { stdout, stderr } = await new Deno.Command("unshare", {
      args: ["--mount", "--propagation", "private", "sh", "-c", command],
      stdin: "null",
    }).output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    const lines = decode(stdout).trimEnd().split("\n");
    assertEquals(lines.length, 2, decode(stderr));
    for (const line of lines) {
      assertStringIncludes(
        line,
        "NotSupported Cannot open libc: /lib64/libc.so.6 of glibc 2.34 or newer is needed (musl is not supported)",
      );
    }
  },
  isFile(MUSL) ? undefined : "program missing: musl",
);
