import { assertEquals } from "@std/assert";
import { getXattr } from "@containerkit/libc";
import { encodeTarHeader } from "@containerkit/tar";
import { need, rootTest, runProgram, tempDir } from "@containerkit/tests";

const SCRIPT = `
  const { applyLayer } = await import(Deno.env.get("SNAPSHOT"));
  const [layer, root] = Deno.args;
  using file = await Deno.open(layer);
  const { warnings } = await applyLayer(file, root, { format: "overlay", userxattr: true });
  console.log(JSON.stringify(warnings));
`;

rootTest(
  "applyLayer() works in a user namespace: no devices, marks that it may set",
  async () => {
    await using temp = tempDir();
    const [layer, root] = [`${temp.path}/layer.tar`, `${temp.path}/root`];
    const parts = [
      encodeTarHeader({ name: "d/", typeflag: "5" }),
      encodeTarHeader({ name: "d/.wh..wh..opq" }),
      encodeTarHeader({ name: ".wh.gone" }),
      encodeTarHeader({
        name: "null",
        typeflag: "3",
        devmajor: 1,
        devminor: 3,
      }),
      encodeTarHeader({ name: "su", mode: 0o4755 }),
      new Uint8Array(1024),
    ];
    await Deno.writeFile(layer, ReadableStream.from(parts));
    Deno.mkdirSync(root);
    await runProgram("chown", ["100000:100000", root]);
    await runProgram("chmod", ["1777", temp.path]);
    const output = await runProgram("setpriv", [
      "--reuid=100000",
      "--regid=100000",
      "--clear-groups",
      "unshare",
      "--user",
      "--map-root-user",
      Deno.execPath(),
      "eval",
      "--config",
      new URL("../deno.json", import.meta.url).pathname,
      SCRIPT,
      layer,
      root,
    ], {
      env: {
        SNAPSHOT: import.meta.resolve("@containerkit/snapshot"),
        DENO_DIR: `${temp.path}/deno`,
      },
    });
    assertEquals(
      String(output),
      '[{"path":"null","message":"devices cannot be made in a user namespace"}]\n',
    );
    assertEquals(
      await runProgram("stat", [
        "-c",
        "%n %F %t:%T %u:%g %a",
        "d",
        "gone",
        "su",
      ], { cwd: root }),
      "d directory 0:0 100000:100000 755\ngone character special file 0:0 100000:100000 0\nsu regular empty file 0:0 100000:100000 4755\n",
    );
    assertEquals(
      getXattr(`${root}/d`, "user.overlay.opaque"),
      new Uint8Array([0x79]),
    );
  },
  need("unshare", "setpriv"),
);
