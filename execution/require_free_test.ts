import { assertEquals, assertRejects } from "@std/assert";
import { need, rootTest, withCrunsCgroups } from "@containerkit/tests";
import { makeBench } from "./_bench_test.ts";
import { bundleOf, writeJson } from "./_bundle.ts";
import { tryLockCgroup, tryLockId } from "./_lock_id.ts";
import {
  create,
  createRuntime,
  deleteContainer,
  listContainers,
  recoverContainers,
  run,
  RuntimeError,
} from "./mod.ts";

const missing = need("runc", "crun", "busybox");
const RUNTIMES = {
  runc: (fn: () => Promise<void>) => fn(),
  crun: withCrunsCgroups,
};

for (const [command, within] of Object.entries(RUNTIMES)) {
  rootTest(
    `${command}: create() leaves alone a container of the same id that the runtime has already`,
    () =>
      within(async () => {
        using bench = makeBench();
        const spec = await bench.spec("sleep 1000");
        const runtime = { command, root: `${bench.folder}/runtime` };
        const options = { runtime, stderr: "null" } as const;
        await using first = await run("a", spec, {
          ...options,
          state: bench.state,
        });
        const state = `${bench.folder}/second`;
        const error = await assertRejects(
          () => create("a", spec, { ...options, state }),
          RuntimeError,
          "the runtime has one",
        );
        assertEquals(error.code, "AlreadyExists");
        assertEquals(first.state(), "running");
        assertEquals([...Deno.readDirSync(`${state}/containers`)], []);
      }),
    missing,
  );

  rootTest(
    `${command}: create() gives an id to one of two folders that share a runtime's, at the same moment`,
    () =>
      within(async () => {
        using bench = makeBench();
        const spec = await bench.spec("sleep 1000");
        const runtime = { command, root: `${bench.folder}/runtime` };
        for (let round = 0; round < 8; round++) {
          const made = await Promise.allSettled(
            ["first", "second"].map((name) =>
              create("a", spec, {
                runtime,
                stderr: "null",
                state: `${bench.folder}/${name}`,
              })
            ),
          );
          const codes = made.map((one) =>
            one.status === "rejected" ? one.reason.code : "made"
          );
          assertEquals(codes.sort(), ["AlreadyExists", "made"]);
          for (const one of made) {
            if (one.status === "rejected") continue;
            await using container = one.value;
            await container.start();
            assertEquals(container.state(), "running");
          }
          assertEquals([...Deno.readDirSync(runtime.root)], []);
        }
      }),
    missing,
  );

  rootTest(
    `${command}: deleteContainer() leaves alone one that another folder has made since the runtime forgot its own`,
    () =>
      within(async () => {
        using bench = makeBench();
        const spec = await bench.spec("sleep 1000");
        const runtime = { command, root: `${bench.folder}/runtime` };
        const { state } = bench;
        const options = { runtime, stderr: "null" } as const;
        {
          await using first = await run("a", spec, { ...options, state });
          first.keep();
        }
        await createRuntime(runtime).delete("a", { force: true });
        await using second = await create("a", spec, {
          ...options,
          state: `${bench.folder}/second`,
        });
        await deleteContainer("a", { state });
        assertEquals(listContainers({ state }), []);
        await second.start();
        assertEquals(second.state(), "running");
      }),
    missing,
  );

  rootTest(
    `${command}: a lock of an id is no container to the runtime`,
    () =>
      within(async () => {
        using bench = makeBench();
        const runtime = createRuntime({
          command,
          root: `${bench.folder}/runtime`,
        });
        using _ = tryLockId(runtime, "a");
        assertEquals(await runtime.list(), []);
      }),
    missing,
  );
}

rootTest(
  "create() and recoverContainers() leave an id to who makes one with the same runtime",
  async () => {
    using bench = makeBench();
    const { state } = bench;
    const spec = await bench.spec("true");
    const runtime = createRuntime({ root: `${bench.folder}/runtime` });
    // What a killed program has left.
    const bundle = bundleOf(state, "a");
    Deno.mkdirSync(bundle.path, { recursive: true });
    writeJson(bundle.config, { ...spec, linux: { cgroupsPath: "/none" } });
    writeJson(bundle.intent, runtime.options);
    const theirs = `${runtime.options.root}/a`;
    {
      using _ = tryLockId(runtime, "a");
      Deno.mkdirSync(theirs);
      const error = await assertRejects(
        () =>
          create("a", spec, {
            runtime: runtime.options,
            state: `${bench.folder}/second`,
          }),
        RuntimeError,
        "another makes one",
      );
      assertEquals(error.code, "AlreadyExists");
      assertEquals((await recoverContainers({ state })).undone, []);
      assertEquals(Deno.statSync(theirs).isDirectory, true);
    }
    assertEquals((await recoverContainers({ state })).undone, ["a"]);
    assertEquals([...Deno.readDirSync(runtime.options.root)], []);
  },
  missing,
);

rootTest(
  "the lock of an id that a killed program left goes with its container, or with what there is of it",
  async () => {
    using bench = makeBench();
    const { state } = bench;
    const root = `${state}/runtime`;
    const lock = `${root}/.a.lock`;
    {
      await using _container = await create("a", await bench.spec("true"), {
        state,
      });
      assertEquals([...Deno.readDirSync(root)].map(({ name }) => name), ["a"]);
      Deno.writeTextFileSync(lock, "");
    }
    assertEquals([...Deno.readDirSync(root)], []);
    const bundle = bundleOf(state, "a");
    Deno.mkdirSync(bundle.path);
    writeJson(bundle.intent, createRuntime({ root }).options);
    Deno.writeTextFileSync(lock, "");
    assertEquals((await recoverContainers({ state })).undone, ["a"]);
    assertEquals([...Deno.readDirSync(root)], []);
  },
  missing,
);

rootTest(
  "create() leaves alone who is in the cgroup that the spec names",
  async () => {
    using bench = makeBench();
    const { state, spec } = bench;
    const options = { state, stderr: "null" } as const;
    await using first = await run("a", await spec("sleep 1000"), options);
    const [path] = Object.values(first.cgroups);
    const cgroup = path!.slice(path!.lastIndexOf("/"));
    const error = await assertRejects(
      async () => await create("b", await spec("true", { cgroup }), options),
      RuntimeError,
      `process ${first.pid} is in the cgroup`,
    );
    assertEquals(error.code, "AlreadyExists");
    assertEquals(first.state(), "running");
  },
  missing,
);

rootTest(
  "a cgroup that a spec names belongs to one container until that is deleted",
  async () => {
    using bench = makeBench();
    const cgroup = `/containerkit-owned-${Deno.pid}`;
    const options = { state: bench.state, stderr: "null" } as const;
    const spec = await bench.spec("sleep 1000", { cgroup });
    {
      // Who deletes it ends all in its cgroup.
      const ends = await bench.spec("true", {
        cgroup,
        namespaces: { pid: "host" },
      });
      await using first = await run("a", ends, options);
      await first.status;
      const second = { ...options, state: `${bench.folder}/second` };
      const error = await assertRejects(
        () => create("b", spec, second),
        RuntimeError,
        "belongs to the container in",
      );
      assertEquals(error.code, "AlreadyExists");
    }
    {
      await using second = await run("b", spec, options);
      assertEquals(second.state(), "running");
    }
    using lock = tryLockCgroup(cgroup);
    assertEquals(lock?.owner, undefined);
  },
  missing,
);

for (const [command, within] of Object.entries(RUNTIMES)) {
  rootTest(
    `${command}: create() gives a cgroup that both specs name to one of two, at the same moment`,
    () =>
      within(async () => {
        using bench = makeBench();
        const cgroup = `/containerkit-both-${Deno.pid}`;
        const spec = await bench.spec("sleep 1000", { cgroup });
        const made = await Promise.allSettled(
          ["first", "second"].map((id) =>
            create(id, spec, {
              runtime: { command },
              stderr: "null",
              state: `${bench.folder}/${id}`,
            })
          ),
        );
        const codes = made.map((one) =>
          one.status === "rejected" ? one.reason.code : "made"
        );
        for (const one of made) {
          if (one.status === "rejected") continue;
          await using container = one.value;
          await container.start();
          assertEquals(container.state(), "running");
        }
        assertEquals(codes.sort(), ["AlreadyExists", "made"]);
      }),
    missing,
  );
}

rootTest(
  "recoverContainers() leaves a cgroup to who makes a container in it",
  async () => {
    using bench = makeBench();
    const { state } = bench;
    const spec = await bench.spec("true");
    const cgroupsPath = `/containerkit-left-${Deno.pid}`;
    // What a killed program has left.
    const bundle = bundleOf(state, "a");
    Deno.mkdirSync(bundle.path, { recursive: true });
    writeJson(bundle.config, { ...spec, linux: { cgroupsPath } });
    writeJson(bundle.intent, createRuntime({ root: bench.folder }).options);
    {
      using _ = tryLockCgroup(cgroupsPath);
      assertEquals((await recoverContainers({ state })).undone, []);
    }
    await using other = await run(
      "b",
      await bench.spec("sleep 1000", { cgroup: cgroupsPath }),
      { state: `${bench.folder}/second`, stderr: "null" },
    );
    assertEquals((await recoverContainers({ state })).undone, ["a"]);
    assertEquals(other.state(), "running");
  },
  missing,
);
