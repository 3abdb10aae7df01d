import { assertEquals, assertRejects } from "@std/assert";
import { tempDir } from "@containerkit/tests";
import { createSpec, validateSpec, withCdiDevices } from "./mod.ts";

const DESCRIPTION = {
  cdiVersion: "0.6.0",
  kind: "vendor.com/gpu",
  containerEdits: { env: ["VENDOR=1", "LANG=C"] },
  devices: [
    {
      name: "0",
      containerEdits: {
        deviceNodes: [
          { path: "/dev/gpu0", hostPath: "/dev/null" },
          {
            path: "/dev/gpuctl",
            type: "c",
            major: 500,
            minor: 1,
            permissions: "rw",
            fileMode: 0o660,
            gid: 44,
          },
        ],
        mounts: [{
          hostPath: "/usr/lib/vendor",
          containerPath: "/usr/lib/vendor",
          options: ["bind", "ro", "nosuid"],
        }],
        hooks: [{
          hookName: "createContainer",
          path: "/usr/bin/vendor-hook",
          args: ["vendor-hook", "ldcache"],
        }],
        additionalGids: [44],
      },
    },
    { name: "1", containerEdits: { env: ["SECOND=1"] } },
  ],
};

function folder(
  at: string,
  files: Readonly<Record<string, unknown>>,
): string {
  Deno.mkdirSync(at);
  for (const [name, value] of Object.entries(files)) {
    Deno.writeTextFileSync(`${at}/${name}`, JSON.stringify(value));
  }
  return at;
}

const make = () =>
  createSpec({}, {
    rootfs: "/",
    args: ["true"],
    env: { LANG: "de" },
    user: "12345:0",
  });

Deno.test("withCdiDevices() adds what a device needs", async () => {
  using temp = tempDir();
  const folders = [folder(`${temp.path}/a`, { "gpu.json": DESCRIPTION })];
  const before = await make();
  const spec = await withCdiDevices(before, [
    "vendor.com/gpu=0",
    "vendor.com/gpu=1",
  ], { folders });
  validateSpec(spec);
  assertEquals(await make(), before);
  assertEquals(spec.process?.env?.slice(-3), [
    "VENDOR=1",
    "LANG=C",
    "SECOND=1",
  ]);
  assertEquals(spec.process?.env?.includes("LANG=de"), false);
  assertEquals(spec.process?.user?.additionalGids?.includes(44), true);
  assertEquals(
    spec.linux?.devices?.map(({ path, major, minor, uid, gid, fileMode }) => [
      path,
      major,
      minor,
      uid,
      gid,
      fileMode,
    ]),
    [
      ["/dev/gpu0", 1, 3, 12345, 0, 0o666],
      ["/dev/gpuctl", 500, 1, 12345, 44, 0o660],
    ],
  );
  assertEquals(spec.linux?.resources?.devices?.slice(-2), [
    { allow: true, type: "c", major: 1, minor: 3, access: "rwm" },
    { allow: true, type: "c", major: 500, minor: 1, access: "rw" },
  ]);
  assertEquals(spec.mounts?.at(-1), {
    destination: "/usr/lib/vendor",
    source: "/usr/lib/vendor",
    type: "bind",
    options: ["bind", "ro", "nosuid"],
  });
  assertEquals(spec.hooks?.createContainer, [{
    path: "/usr/bin/vendor-hook",
    args: ["vendor-hook", "ldcache"],
  }]);
});

Deno.test("withCdiDevices() makes the edits of a device after those of its file", async () => {
  using temp = tempDir();
  const file = {
    cdiVersion: "0.6.0",
    kind: "vendor.com/gpu",
    devices: [{ name: "0", containerEdits: { env: ["OF=device"] } }],
    containerEdits: { env: ["OF=file"] },
  };
  const folders = [folder(`${temp.path}/a`, { "gpu.json": file })];
  const spec = await withCdiDevices(await make(), ["vendor.com/gpu=0"], {
    folders,
  });
  assertEquals(
    spec.process?.env?.filter((text) => text.startsWith("OF=")),
    ["OF=device"],
  );
});

Deno.test("withCdiDevices() takes a device of the later folder", async () => {
  using temp = tempDir();
  const folders = [
    folder(`${temp.path}/a`, { "gpu.json": DESCRIPTION }),
    folder(`${temp.path}/b`, {
      "gpu.json": {
        ...DESCRIPTION,
        containerEdits: {},
        devices: [{ name: "0", containerEdits: { env: ["NEWER=1"] } }],
      },
    }),
    `${temp.path}/missing`,
  ];
  const { process } = await withCdiDevices(await make(), ["vendor.com/gpu=0"], {
    folders,
  });
  assertEquals(process?.env?.at(-1), "NEWER=1");
});

Deno.test("withCdiDevices() refuses what it cannot give", async () => {
  using temp = tempDir();
  const spec = await make();
  const use = (
    name: string,
    files: Readonly<Record<string, unknown>>,
    at: string,
  ) =>
    withCdiDevices(spec, [name], {
      folders: [folder(`${temp.path}/${at}`, files)],
    });
  await assertRejects(
    () => use("gpu", {}, "name"),
    TypeError,
    'Cannot use the device "gpu": expected vendor/class=name',
  );
  await assertRejects(
    () =>
      use(
        "vendor.com/gpu=9",
        { "gpu.json": DESCRIPTION, "x.yaml": {} },
        "none",
      ),
    Deno.errors.NotFound,
    "x.yaml",
  );
  await assertRejects(
    () =>
      use(
        "vendor.com/gpu=0",
        { "a.json": DESCRIPTION, "b.json": DESCRIPTION },
        "two",
      ),
    TypeError,
    "describe it",
  );
  for (
    const [why, change] of [
      ["version", { cdiVersion: "9.0.0" }],
      ["kind", { kind: "gpu" }],
      ["no devices", { devices: {} }],
      ["intelRdt", { containerEdits: { intelRdt: {} } }],
      ["hook", {
        containerEdits: { hooks: [{ hookName: "never", path: "/x" }] },
      }],
    ] as const
  ) {
    await assertRejects(
      () =>
        use(
          "vendor.com/gpu=0",
          { "a.json": { ...DESCRIPTION, ...change } },
          why.replace(" ", ""),
        ),
      TypeError,
      why,
    );
  }
});
