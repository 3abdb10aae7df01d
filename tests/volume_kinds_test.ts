// Containers write through the kinds of volumes that need something of their own: a filesystem, a mount, a snapshot.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { collect, openStore } from "@containerkit/content";
import { type Mount, mount } from "@containerkit/mount";
import { applyLayer, openOverlay } from "@containerkit/snapshot";
import { openNative } from "@containerkit/snapshot/native";
import { openVolumes, type VolumeStore } from "@containerkit/volume";
import { shellWith } from "./_volume_container.ts";
import { makeLayer } from "./faults/_snapshot_world.ts";
import {
  makeBusyboxRootfs,
  need,
  quotasMissing,
  rootTest,
  runProgram,
  tempDir,
} from "./mod.ts";

const MIB = 1024 * 1024;
const text = (value: string) => new TextEncoder().encode(value);

function openIn(path: string): Promise<VolumeStore> {
  return openVolumes({ root: path, state: `${path}/run` });
}

/** A filesystem in a file, mounted. */
async function mountDisk(
  path: string,
  fstype: "btrfs" | "ext4" | "xfs",
): Promise<{ at: string } & AsyncDisposable> {
  const at = `${path}/disk`;
  await runProgram("truncate", ["-s", "400M", `${path}/disk.img`]);
  await runProgram(`mkfs.${fstype}`, [
    "-q",
    ...(fstype === "ext4"
      ? ["-O", "project,quota", "-E", "quotatype=prjquota"]
      : []),
    `${path}/disk.img`,
  ]);
  await Deno.mkdir(at);
  const mounted = await mount({
    type: "image",
    source: `${path}/disk.img`,
    fstype,
    ...(fstype === "btrfs" ? {} : { options: ["prjquota"] }),
  }, at);
  if (fstype === "btrfs") await runProgram("btrfs", ["quota", "enable", at]);
  return { at, [Symbol.asyncDispose]: () => mounted.unmount() };
}

const LIMITED = {
  "subvolume on btrfs": {
    fstype: "btrfs",
    missing: need("mkfs.btrfs", "btrfs"),
  },
  "quota on btrfs": {
    fstype: "btrfs",
    missing: need("mkfs.btrfs", "btrfs"),
  },
  "quota on ext4": { fstype: "ext4", missing: quotasMissing() },
  "quota on xfs": {
    fstype: "xfs",
    missing: need("mkfs.xfs") ?? quotasMissing(),
  },
} as const;

for (const [title, { fstype, missing }] of Object.entries(LIMITED)) {
  rootTest(
    `a container writes through a volume of kind ${title}, and the limit holds`,
    async () => {
      await using temp = tempDir();
      makeBusyboxRootfs(`${temp.path}/rootfs`);
      await using disk = await mountDisk(temp.path, fstype);
      await using volumes = await openIn(disk.at);
      const sh = shellWith(volumes, temp.path);
      await volumes.create("data", {
        kind: title.startsWith("quota") ? "quota" : "subvolume",
        size: 16 * MIB,
      });
      assertEquals(await sh("data", "echo kept > /data/file"), {
        code: 0,
        output: "",
      });
      assertEquals((await sh("data", "cat /data/file")).output, "kept\n");
      const { code, output } = await sh(
        "data",
        "dd if=/dev/zero of=/data/big bs=1M count=32 conv=fsync",
      );
      assert(code !== 0, output);
      assert(/quota exceeded|No space left/i.test(output), output);
      const { bytes, counted } = await volumes.usage("data");
      assertEquals(counted, "kernel");
      assert(bytes <= 16 * MIB, String(bytes));
      await volumes.remove("data");
    },
    need("runc", "busybox") ?? missing,
  );
}

rootTest(
  "a container writes through a foreign volume, where others see it",
  async () => {
    await using temp = tempDir();
    const { path } = temp;
    makeBusyboxRootfs(`${path}/rootfs`);
    for (const name of ["lower", "upper", "work", "there"]) {
      await Deno.mkdir(`${path}/${name}`);
    }
    await Deno.writeTextFile(`${path}/lower/file`, "below\n");
    const mounts: Record<string, Mount> = {
      bind: { type: "bind", source: `${path}/there` },
      overlay: {
        type: "overlay",
        lower: [`${path}/lower`],
        upper: `${path}/upper`,
        work: `${path}/work`,
      },
    };
    await using volumes = await openIn(path);
    const sh = shellWith(volumes, path);
    for (const [name, mount] of Object.entries(mounts)) {
      await volumes.create(name, { kind: "foreign", mounts: [mount] });
      assertEquals(await sh(name, "echo new > /data/new"), {
        code: 0,
        output: "",
      });
    }
    assertEquals(Deno.readTextFileSync(`${path}/there/new`), "new\n");
    assertEquals(Deno.readTextFileSync(`${path}/upper/new`), "new\n");
    assertEquals(
      (await sh("overlay", "cat /data/file /data/new")).output,
      "below\nnew\n",
    );
    await volumes.prune();
  },
  need("runc", "busybox"),
);

for (const [driver, open] of Object.entries({ openOverlay, openNative })) {
  rootTest(
    `a container reads a snapshot as a volume and cannot write to it, by ${driver}`,
    async () => {
      await using temp = tempDir();
      const { path } = temp;
      makeBusyboxRootfs(`${path}/rootfs`);
      await using snapshots = await open({ root: path });
      {
        await using work = await snapshots.prepare("work");
        const layer = makeLayer({ "file": text("in the layer\n") });
        await work.apply(await layer.open({}));
        await work.commit("layer");
      }
      await using volumes = await openIn(path);
      const sh = shellWith(volumes, path);
      const snapshot = await snapshots.view("view", "layer");
      snapshot.keep();
      await volumes.create("docs", { kind: "view", snapshot });
      assertEquals(
        await Array.fromAsync(volumes.collectable.references("docs")),
        [{ type: snapshots.collectable.type, id: "view" }],
      );
      assertEquals(
        (await sh("docs", "cat /data/file")).output,
        "in the layer\n",
      );
      for (
        const write of [
          "echo x > /data/new",
          "echo x > /data/file",
          "mkdir /data/d",
        ]
      ) {
        const { code, output } = await sh("docs", write);
        assert(code !== 0, write);
        assertStringIncludes(output, "Read-only file system", write);
      }
      await volumes.remove("docs");
      await snapshots.remove("view");
    },
    need("runc", "busybox"),
  );
}

rootTest(
  "a layer fills a volume, and a container reads it",
  async () => {
    await using temp = tempDir();
    makeBusyboxRootfs(`${temp.path}/rootfs`);
    await using volumes = await openIn(temp.path);
    const sh = shellWith(volumes, temp.path);
    for (const kind of ["dir", "image"] as const) {
      await volumes.create(kind, {
        kind,
        ...(kind === "dir" ? {} : { size: 16 * MIB }),
      });
      const layer = makeLayer({ "etc/seed": text("sown\n") });
      const fill = async (root: string, options: { signal?: AbortSignal }) =>
        await applyLayer(await layer.open({}), root, options);
      assertEquals(await volumes.populate(kind, fill), true);
      assertEquals(await volumes.populate(kind, fill), false);
      assertEquals((await sh(kind, "cat /data/etc/seed")).output, "sown\n");
    }
    // A layer that ends in the middle leaves nothing.
    await volumes.create("broken");
    const whole = await new Response(
      await makeLayer({ "a": text("a"), "b": new Uint8Array(5000) }).open({}),
    ).bytes();
    let failed = false;
    await volumes.populate(
      "broken",
      (root, options) =>
        applyLayer(new Blob([whole.subarray(0, 3000)]).stream(), root, options),
    )
      .catch(() => failed = true);
    assert(failed);
    assertEquals((await volumes.usage("broken")).inodes, 1);
    await volumes.prune();
  },
  need("runc", "busybox", "mkfs.ext4"),
);

rootTest(
  "garbage collection keeps named volumes and what they show, and removes those of ended leases",
  async () => {
    await using temp = tempDir();
    using content = await openStore({ root: temp.path });
    await using snapshots = await openOverlay({ root: temp.path });
    await using volumes = await openIn(temp.path);
    const collectables = [snapshots.collectable, volumes.collectable];
    const removed = async () => {
      const { removed } = await collect(content, { collectables, grace: 0 });
      return removed.map(({ type, id }) => `${type} ${id}`).sort();
    };
    for (const name of ["shown", "lost"]) {
      await using work = await snapshots.prepare(`work-${name}`);
      await work.apply(await makeLayer({ [name]: text(name) }).open({}));
      await work.commit(name);
    }
    const snapshot = await snapshots.view("view", "shown");
    snapshot.keep({ root: false });
    await volumes.create("docs", { kind: "view", snapshot });
    await volumes.create("named");
    const lease = await content.leases.create();
    await volumes.create("scratch", { lease: lease.id });
    await volumes.create("orphan", { lease: "none" });
    await using use = await volumes.attach("orphan");
    // Its lease is no more, but somebody has it.
    assertEquals(await removed(), ["snapshot/overlay lost"]);

    await use[Symbol.asyncDispose]();
    assertEquals(await removed(), ["volume orphan"]);

    await lease[Symbol.asyncDispose]();
    assertEquals(await removed(), ["volume scratch"]);
    assertEquals(
      (await Array.fromAsync(snapshots.walk())).map(({ name }) => name).sort(),
      ["shown", "view"],
    );

    await volumes.remove("docs");
    assertEquals(await removed(), [
      "snapshot/overlay shown",
      "snapshot/overlay view",
    ]);
    assertEquals(volumes.list().map(({ name }) => name), ["named"]);
    assertEquals(await snapshots.fsck(), []);
  },
);
