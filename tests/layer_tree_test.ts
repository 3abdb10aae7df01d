import { assertEquals, assertGreater } from "@std/assert";
import { applyLayer, diffLayers } from "@containerkit/snapshot";
import {
  describeTree,
  peer,
  program,
  rootTest,
  runProgram,
  tempDir,
} from "@containerkit/tests";
import { containerdTree } from "./containerd_tree.ts";
import { kept, makeLayout } from "./layer_layout.ts";

const LONG = Deno.env.has("CONTAINERKIT_LONG");
/** What Debian's packages have put on this machine. */
const FOLDERS = LONG
  ? ["usr/bin", "usr/sbin", "usr/share", "etc", "var/lib/dpkg"]
  : ["usr/sbin", "usr/share/perl5", "etc"];
/** What few packages have. */
const EXTRA = `
  mkdir -p extra/a extra/b extra/dev; cd extra
  printf one > a/one; ln a/one b/two; ln -s ../a/one b/link; ln b/link a/linked
  mknod dev/null c 1 3; mknod dev/disk b 7 0; mkfifo dev/pipe; chmod 666 dev/null
  cp /bin/true ping; setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 ping
  cp /bin/true su; chown 0:42 su; chmod 2755 su; mkdir -m 1777 tmp; chown 1234567:7654321 a
  setfattr -n user.note -v base a/one
  deep=$(printf 'long%.0s' $(seq 60)); mkdir -p $deep/$deep; printf x > $deep/$deep/$(printf 'name%.0s' $(seq 63))
  ln $deep/$deep/name* b/far; truncate -s 3000000 sparse; printf end >> sparse; printf u > "$(printf 'ümläut')"
`;

/** An archive of the machine's own packages, with GNU tar. */
async function makeArchive(temp: string): Promise<string> {
  const path = `${temp}/tree.tar`;
  await runProgram("sh", ["-ec", `umask 022; ${EXTRA}`], { cwd: temp });
  await runProgram("tar", [
    "--format=pax",
    "--xattrs",
    "--xattrs-include=*",
    "--sparse",
    "--one-file-system",
    "--warning=no-file-changed",
    "-cf",
    path,
    "-C",
    temp,
    "extra",
    "-C",
    "/",
    ...FOLDERS,
  ]);
  return path;
}

/** Whatever a tree has but for directories that the archive has no entry for. */
function facts(lines: readonly string[]): string[] {
  return lines.filter((line) =>
    line !== "" && !/^(usr|usr\/share|var|var\/lib)? d /.test(line)
  );
}

rootTest(
  "applyLayer() puts Debian's own trees on disk as GNU tar and bsdtar do, and writes them as umoci, skopeo and containerd take them",
  async () => {
    await using temp = tempDir();
    const archive = await makeArchive(temp.path);
    const folder = (name: string) => {
      Deno.mkdirSync(`${temp.path}/${name}`, { recursive: true });
      return `${temp.path}/${name}`;
    };
    const ours = folder("ours");
    {
      using file = await Deno.open(archive);
      const { entries } = await applyLayer(file, ours);
      assertGreater(entries, LONG ? 20_000 : 500);
    }
    const expected = facts(await describeTree(ours));
    const gnu = folder("gnu");
    await runProgram("tar", [
      "--xattrs",
      "--xattrs-include=*",
      "-xpf",
      archive,
      "-C",
      gnu,
    ]);
    assertSame(await describeTree(gnu), expected, "GNU tar");
    await runProgram("rm", ["-rf", gnu]);
    if (program("bsdtar") !== undefined) {
      const bsd = folder("bsd");
      await runProgram("bsdtar", ["-xpf", archive, "-C", bsd]);
      assertSame(await describeTree(bsd), expected, "bsdtar");
      await runProgram("rm", ["-rf", bsd]);
    }
    // And a layer that we write of it, as umoci unpacks it.
    const stored = `${temp.path}/layer.tar.gz`;
    const layer = diffLayers(undefined, ours, { level: 1 });
    await Deno.writeFile(stored, layer.readable);
    const digests = await layer.digests;
    const again = folder("again");
    {
      using file = await Deno.open(stored);
      const { diffId } = await applyLayer(file, again);
      assertEquals(diffId, digests.diffId);
    }
    const whole = (lines: readonly string[]) =>
      lines.map((line) => line.replace(/(\d{5,})\.\d+/g, "$1"));
    assertSame(
      whole(facts(await describeTree(again))),
      whole(expected),
      "our own layer",
    );
    const layout = await makeLayout(temp.path, [{ path: stored, ...digests }]);
    const wanted = whole(kept(await describeTree(again)));
    for (const umoci of [program("umoci"), peer("umoci")]) {
      if (umoci === undefined) continue;
      const bundle = `${temp.path}/bundle`;
      await runProgram(umoci, ["unpack", "--image", `${layout}:t`, bundle]);
      const found = await describeTree(`${bundle}/rootfs`);
      assertSame(whole(kept(found)), wanted, umoci);
      await runProgram("rm", ["-rf", bundle]);
    }
    if (program("skopeo") === undefined) return;
    const image = `${temp.path}/image.tar`;
    await runProgram("skopeo", [
      "copy",
      `oci:${layout}:t`,
      `oci-archive:${image}:example.org/t:1`,
    ]);
    for (const find of [program, peer]) {
      const [containerd, ctr] = [find("containerd"), find("ctr")];
      if (containerd === undefined || ctr === undefined) continue;
      const folder = `${temp.path}/containerd`;
      const found = await containerdTree(
        { containerd, ctr, archive: image, image: "example.org/t:1", folder },
        describeTree,
      );
      assertSame(whole(kept(found)), wanted, `skopeo and ${ctr}`);
      await runProgram("rm", ["-rf", folder]);
    }
  },
);

/** Shows the lines that differ, of many. */
function assertSame(
  lines: readonly string[],
  expected: readonly string[],
  who: string,
): void {
  const [found, wanted] = [new Set(facts(lines)), new Set(facts(expected))];
  assertEquals(
    {
      more: [...found.difference(wanted)].slice(0, 20),
      less: [...wanted.difference(found)].slice(0, 20),
    },
    { more: [], less: [] },
    who,
  );
}
