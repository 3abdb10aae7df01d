import { assertEquals, assertThrows } from "@std/assert";
import {
  fromContainerd,
  type Mount,
  parseOptions,
  toContainerd,
  toOci,
} from "./mod.ts";

const VARIANTS: readonly Mount[] = [
  { type: "bind", source: "/a", recursive: true, readonly: "recursive" },
  {
    type: "overlay",
    lower: ["/b,c", "/d:e", "/f\\g", "/h i"],
    data: ["/data"],
    upper: "/u\\,:",
    work: "/w",
    volatile: true,
    options: {
      index: "off",
      metacopy: "on",
      userxattr: true,
      context: "system_u:object_r:container_file_t:s0:c1,c2",
    },
  },
  { type: "erofs", source: "/m", devices: ["/t1", "/t2"], readonly: true },
  { type: "image", source: "/i", fstype: "ext4", options: ["noload"] },
  { type: "btrfs", device: "/dev/sda", subvolid: 256 },
  { type: "tmpfs", size: 1 << 20, mode: 0o755, nosuid: true, nodev: true },
  { type: "raw", fstype: "proc", source: "proc", options: ["hidepid=2"] },
];

const ATTRIBUTES: Partial<Mount> = {
  readonly: true,
  nosuid: true,
  nodev: "recursive",
  noexec: true,
  nosymfollow: true,
  nodiratime: true,
  atime: "noatime",
  propagation: "rslave",
};

Deno.test("every mount is the same after JSON", () => {
  for (const mount of VARIANTS) {
    const full = {
      ...mount,
      ...ATTRIBUTES,
      subpath: "x",
      idmap: {
        uids: [{ inside: 0, outside: 1000, size: 10 }],
        gids: [{ inside: 0, outside: 1000, size: 10 }],
      },
    };
    assertEquals(JSON.parse(JSON.stringify(full)), full);
  }
});

Deno.test("the type narrows to its fields", () => {
  const source = (mount: Mount): string => {
    switch (mount.type) {
      case "bind":
      case "erofs":
      case "image":
      case "raw":
        return mount.source;
      case "overlay":
        return String(mount.lower[0]);
      case "btrfs":
        return mount.device;
      case "tmpfs":
        return String(mount.size);
    }
  };
  assertEquals(VARIANTS.map(source).length, 7);
});

Deno.test("fromContainerd() undoes toContainerd()", () => {
  for (const mount of VARIANTS) {
    if (mount.type === "btrfs") continue;
    for (const full of [mount, { ...mount, ...ATTRIBUTES } as Mount]) {
      assertEquals(fromContainerd(toContainerd(full)), full);
    }
  }
});

Deno.test("toContainerd() refuses what a triple cannot say", () => {
  const idmap = {
    uids: [{ inside: 0, outside: 1, size: 1 }],
    gids: [{ inside: 0, outside: 1, size: 1 }],
  };
  const cases: readonly [Mount, string][] = [
    [{ type: "bind", source: "/a", idmap }, "it maps ids"],
    [{ type: "bind", source: "/a", subpath: "b" }, "it shows a part"],
    [
      { type: "overlay", lower: ["/a", { type: "erofs", source: "/e" }] },
      "a layer is itself a mount",
    ],
    [
      {
        type: "overlay",
        lower: Array.from({ length: 60 }, (_, i) => `/${"x".repeat(80)}${i}`),
      },
      "mount(2) drops what is beyond 4095",
    ],
    // As it is it would be two options, and a backslash before the comma would be taken for a part of the value.
    [
      { type: "overlay", lower: ["/a"], options: { xino: "off,volatile" } },
      'the option "xino" has a comma',
    ],
    [
      { type: "overlay", lower: ["/a"], options: { "index=on,xino": "on" } },
      'the option "index=on,xino" has a comma',
    ],
    [
      { type: "overlay", lower: ["/a"], options: { context: 'a"b,c' } },
      'the option "context" has a comma',
    ],
    [
      { type: "erofs", source: "/m", devices: ["/t,1"] },
      '"/t,1" has a comma',
    ],
  ];
  for (const [mount, message] of cases) {
    assertThrows(() => toContainerd(mount), TypeError, message);
    assertThrows(() => toOci(mount, "/x"), TypeError, message);
  }
});

Deno.test("toContainerd() refuses a comma in an option of an image", () => {
  const mount: Mount = {
    type: "image",
    source: "/i",
    fstype: "ext4",
    options: ["noload,ro"],
  };
  assertThrows(() => toContainerd(mount), TypeError, '"noload,ro" has a comma');
});

Deno.test("toOci() writes an entry of a runtime's configuration", () => {
  assertEquals(
    toOci({ type: "bind", source: "/a", readonly: "recursive" }, "/b"),
    { destination: "/b", type: "bind", source: "/a", options: ["bind", "rro"] },
  );
  assertThrows(
    () => toOci({ type: "tmpfs" }, "relative"),
    TypeError,
    "no absolute path",
  );
  assertThrows(
    () => toOci({ type: "image", source: "/i", fstype: "xfs" }, "/b"),
    TypeError,
    "it needs a loop device",
  );
});

Deno.test("fromContainerd() refuses what needs a mount manager", () => {
  for (
    const mount of [
      { type: "format/overlay", source: "x" },
      { type: "overlay", source: "x", options: ["X-containerd.mkdir.path=/a"] },
      { type: "bind", source: "/a", options: ["remount", "bind"] },
      { type: "bind", source: "/a", options: ["bind", "size=1"] },
    ]
  ) assertThrows(() => fromContainerd(mount), TypeError);
  for (const lowerdir of ["", ":/a", "/a:", "/a::/b:/c"]) {
    assertThrows(
      () =>
        fromContainerd({
          type: "overlay",
          source: "x",
          options: [`lowerdir=${lowerdir}`],
        }),
      SyntaxError,
    );
  }
});

Deno.test("fromContainerd() reads what containerd does itself: loop, uidmap and gidmap", () => {
  const image = {
    type: "ext4",
    source: "/i",
    options: ["ro", "noload", "loop", "direct-io"],
  };
  assertEquals(fromContainerd(image), {
    type: "image",
    source: "/i",
    fstype: "ext4",
    options: ["noload"],
    readonly: true,
  });
  // A mount of erofs finds by itself whether it takes a device.
  assertEquals(fromContainerd({ ...image, type: "erofs", options: ["loop"] }), {
    type: "erofs",
    source: "/i",
  });
  const map = ["uidmap=0:1000:10,10:2000:5", "gidmap=0:3000:10"];
  assertEquals(
    fromContainerd({ type: "bind", source: "/a", options: ["rbind", ...map] }),
    {
      type: "bind",
      source: "/a",
      recursive: true,
      idmap: {
        uids: [
          { inside: 0, outside: 1000, size: 10 },
          { inside: 10, outside: 2000, size: 5 },
        ],
        gids: [{ inside: 0, outside: 3000, size: 10 }],
      },
    },
  );
  const read = (options: string[]) =>
    fromContainerd({ type: "bind", source: "/a", options });
  assertThrows(() => read(["uidmap=0:1:2"]), TypeError, "go together");
  assertThrows(() => read(["uidmap=0:1", "gidmap=0:1:2"]), SyntaxError, "0:1");
});

Deno.test("fromContainerd() keeps a tmpfs with more than size and mode as it is", () => {
  const triple = { type: "tmpfs", source: "x", options: ["size=64m"] };
  assertEquals(fromContainerd(triple), { type: "tmpfs", size: 64 << 20 });
  assertEquals(
    fromContainerd({ ...triple, options: ["size=50%", "ro"] }),
    {
      type: "raw",
      fstype: "tmpfs",
      source: "x",
      options: ["size=50%"],
      readonly: true,
    },
  );
});

Deno.test("parseOptions() knows the words of mount(8), the last of contrary ones counts", () => {
  assertEquals(
    parseOptions([
      "defaults",
      "ro",
      "rw",
      "nosuid",
      "suid",
      "nodev",
      "noatime",
      "strictatime",
      "rprivate",
      "x-systemd.automount",
      "sync",
      "uid=5",
    ]),
    {
      attributes: {
        nodev: true,
        atime: "strictatime",
        propagation: "rprivate",
      },
      data: ["sync", "uid=5"],
    },
  );
  assertEquals(parseOptions(["rnosuid", "rro", "remount", "bind"]), {
    attributes: { nosuid: "recursive", readonly: "recursive" },
    bind: "bind",
    remount: true,
    data: [],
  });
  const untrusted = { nosuid: true, nodev: true } as const;
  assertEquals(parseOptions(["user", "silent", "exec"]), {
    attributes: untrusted,
    data: [],
  });
  assertEquals(parseOptions(["owner"]).attributes, untrusted);
  assertEquals(parseOptions(["users"]).attributes, {
    ...untrusted,
    noexec: true,
  });
  assertEquals(parseOptions(["X-mount.mkdir"]).data, []);
  assertThrows(() => parseOptions(["X-mount.subdir=a"]), TypeError, "subpath");
  assertThrows(() => parseOptions([""]), TypeError);
  assertThrows(() => parseOptions(["a\0b"]), TypeError);
});
