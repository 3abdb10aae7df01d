import { assertEquals, assertRejects } from "@std/assert";
import {
  describeTree,
  rootTest,
  runProgram,
  tempDir,
} from "@containerkit/tests";
import { applyLayer, DiffError, diffUpper } from "./mod.ts";

async function shell(cwd: string, script: string): Promise<void> {
  await runProgram("sh", ["-ec", `umask 022; ${script}`], { cwd });
}

/** A tmpfs with layers; those above are made by changes through an overlay. */
async function overlays(
  options: string,
  before: string,
  changes: readonly string[],
) {
  const temp = tempDir();
  await runProgram("mount", ["-t", "tmpfs", "none", temp.path]);
  const folder = (name: string) => `${temp.path}/${name}`;
  const layers = [folder("l0")];
  await shell(temp.path, "mkdir l0 merged copy");
  await shell(folder("l0"), before);
  const mount = async (upper: string) => {
    Deno.mkdirSync(`${upper}.work`);
    const lower = `lowerdir=${layers.join(":")}`;
    const rest = `upperdir=${upper},workdir=${upper}.work,${options}`;
    await runProgram("mount", [
      "-t",
      "overlay",
      "none",
      "-o",
      `${lower},${rest}`,
      folder("merged"),
    ]);
  };
  for (const [index, change] of changes.entries()) {
    const upper = folder(`l${index + 1}`);
    Deno.mkdirSync(upper);
    await mount(upper);
    if (index === changes.length - 1) {
      // What was before the last layer, as a plain tree.
      await runProgram("cp", ["-a", `${folder("merged")}/.`, folder("copy")]);
    }
    try {
      await shell(folder("merged"), change);
    } catch (error) {
      await runProgram("umount", [folder("merged")]);
      throw error;
    }
    if (index < changes.length - 1) {
      await runProgram("umount", [folder("merged")]);
    }
    layers.unshift(upper);
  }
  return {
    upper: layers[0]!,
    lower: layers.slice(1),
    merged: folder("merged"),
    copy: folder("copy"),
    async [Symbol.asyncDispose]() {
      await runProgram("umount", [folder("merged")]);
      await runProgram("umount", [temp.path]);
      temp[Symbol.dispose]();
    },
  };
}

/** What a layer keeps of a tree: times in whole seconds, and nothing of its root. */
async function facts(path: string): Promise<string[]> {
  return (await describeTree(path)).filter((line) => !line.startsWith(" d "))
    .map((line) => line.replace(/(\d{9,})\.\d+/g, "$1"));
}

const BEFORE = `
  mkdir -p d/b/deep e x; seq 20000 > d/a; seq 9 > d/b/c; seq 5 > d/b/deep/f; ln -s a d/l
  seq 30000 > big; seq 100 > moved; seq 7 > plain; cp big attr; mknod d/dev c 1 3
  seq 3 > e/inside; mkdir gone; seq 2 > gone/z; chown 1:2 d/a; setfattr -n user.k -v old d/b/c`;

const CASES: Readonly<Record<string, readonly [string, ...string[]]>> = {
  "metadata alone": [
    "chmod 600 big; chown 3:4 moved; touch -d @1500000000 plain",
  ],
  "an attribute alone": [
    "setfattr -n user.k -v new attr; setfattr -n system.posix_acl_access -v 0x0200000001000600ffffffff020004000700000004000400ffffffff10000400ffffffff20000400ffffffff big; setfattr -x user.k d/b/c",
  ],
  "a file renamed": ["mv moved renamed; mv d/b/c top; mv big d/b/big"],
  "a directory renamed": [
    "mv d other; echo 1 >> other/a; rm other/b/c; echo 2 > other/b/new",
  ],
  "a directory renamed into another and out of it": [
    "mv d/b x/b; mv x/b/deep deep; chmod 700 deep/f; rm x/b/c; mv d e/d",
  ],
  "a directory renamed to a name that was": [
    "rm -r gone; mv d gone; rm gone/l",
  ],
  "a directory renamed over an empty one": ["rm e/inside; mv -T d e"],
  "a file under a renamed directory with its metadata alone": [
    "mv d other; chmod 640 other/b/deep/f; mv other/a other/b/a2; rm -r other/l",
  ],
  "layers that were renamed before": [
    "mv d other; chmod 640 big; mv moved other/b/m",
    "mv other third; chmod 600 big; echo 1 >> third/b/deep/f; mv third/b/m m; chmod 611 m",
  ],
  "three layers": [
    "mv d other; mkdir d; echo 1 > d/a",
    "chmod 750 other; mv other/b b; chmod 604 other/a",
    "mv b d/b; mv other/a d/z; chmod 777 d/b/deep/f; rm -r e",
  ],
};

for (const options of ["metacopy=on", "redirect_dir=on"]) {
  for (const [name, changes] of Object.entries(CASES)) {
    rootTest(`diffUpper() D8 with ${options} sees ${name}`, async () => {
      await using tree = await overlays(options, BEFORE, changes);
      const { upper, lower } = tree;
      const layer = diffUpper(upper, { lower, compression: "none" });
      const archive = await new Response(layer.readable).bytes();
      const again = diffUpper(upper, { lower, compression: "none" });
      await again.readable.pipeTo(new WritableStream());
      assertEquals(await again.digests, await layer.digests);
      await applyLayer(ReadableStream.from([archive]), tree.copy);
      assertEquals(await facts(tree.copy), await facts(tree.merged));
    });
  }
}

rootTest(
  "diffUpper() D8 refuses what needs the layers below, without them",
  async () => {
    const drain = (upper: string, lower?: string[]) =>
      diffUpper(upper, lower ? { lower } : {}).readable
        .pipeTo(new WritableStream());
    {
      await using tree = await overlays("metacopy=on", BEFORE, [
        "chmod 600 big",
      ]);
      const error = await assertRejects(() => drain(tree.upper), DiffError);
      assertEquals(error.path, "big");
      await assertRejects(
        () => drain(tree.upper, []),
        DiffError,
        "lower layer",
      );
    }
    {
      await using tree = await overlays("redirect_dir=on", BEFORE, [
        "mv d other",
      ]);
      await assertRejects(() => drain(tree.upper), DiffError, "renamed");
    }
  },
);
