import { assert, assertEquals, assertRejects } from "@std/assert";
import { credentialFiles, credentialPaths, type Credentials } from "./mod.ts";

async function withFile(
  config: unknown,
  test: (
    store: ReturnType<typeof credentialFiles>,
    path: string,
  ) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/config.json`;
    await Deno.writeTextFile(
      path,
      typeof config === "string" ? config : JSON.stringify(config),
    );
    await test(credentialFiles([path]), path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const basic = (text: string) => ({ auth: btoa(text) });

Deno.test("credentialFiles() finds the most exact key", async () => {
  await withFile({
    auths: {
      "https://index.docker.io/v1/": basic("hub:1"),
      "quay.io": basic("quay:1"),
      "quay.io/team": basic("team:1"),
      "quay.io/team/app": basic("app:with:colons"),
      "https://old.example/v2/": basic("old:1"),
      "*.corp.example": basic("corp:1"),
      "token.example": { identitytoken: "abc", ...basic("<token>:") },
      "bearer.example": { registrytoken: "xyz" },
      "plain.example": { username: "u", password: "p" },
      "padded.example": basic("u:p\0\0"),
      "empty.example": {},
      "broken.example": { auth: "%%%" },
    },
  }, async ({ get }) => {
    const find = async (registry: string, repository?: string) => {
      const found: Credentials | undefined = await get({
        registry,
        ...(repository === undefined ? {} : { repository }),
      });
      return found === undefined ? undefined : Object.values(found).join(" ");
    };
    assertEquals(await find("docker.io", "library/alpine"), "hub 1");
    assertEquals(await find("quay.io"), "quay 1");
    assertEquals(await find("quay.io", "other/app"), "quay 1");
    assertEquals(await find("quay.io", "team/other"), "team 1");
    assertEquals(await find("quay.io", "team/app"), "app with:colons");
    assertEquals(await find("old.example"), "old 1");
    assertEquals(await find("a.b.corp.example"), "corp 1");
    assertEquals(await find("corp.example"), undefined);
    assertEquals(await find("token.example"), "abc");
    assertEquals(await find("bearer.example"), "xyz");
    assertEquals(await find("plain.example"), "u p");
    assertEquals(await find("padded.example"), "u p");
    assertEquals(await find("empty.example"), undefined);
    assertEquals(await find("broken.example"), undefined);
    assertEquals(await find("quay.io.evil.example"), undefined);
  });
});

Deno.test("credentialPaths() knows where Podman's file is without XDG_RUNTIME_DIR", () => {
  const own = "/root/.docker/config.json";
  const kept = "/root/.config/containers/auth.json";
  const HOME = "/root";
  assertEquals(credentialPaths({ HOME }, { uid: 0 }), [
    own,
    "/run/containers/0/auth.json",
    kept,
  ]);
  assertEquals(
    credentialPaths({ HOME, XDG_RUNTIME_DIR: "/run/user/0" }, { uid: 0 }),
    [own, "/run/user/0/containers/auth.json", kept],
  );
  assertEquals(credentialPaths({ HOME }, { uid: null }), [own, kept]);
});

Deno.test("credentialFiles() changes only what it has to, and keeps the file to its user", async () => {
  await withFile({
    auths: { "https://a.example/v1/": basic("old:1") },
    detachKeys: "x",
  }, async (store, path) => {
    await store.set("a.example", { username: "new", password: "2" });
    await store.set("docker.io", { identityToken: "t" });
    assertEquals(JSON.parse(await Deno.readTextFile(path)), {
      auths: {
        "a.example": basic("new:2"),
        "https://index.docker.io/v1/": { identitytoken: "t" },
      },
      detachKeys: "x",
    });
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
    assertEquals(await store.list(), ["a.example", "docker.io"]);
    assertEquals(await store.delete("a.example"), true);
    assertEquals(await store.delete("a.example"), false);
    assertEquals(await store.list(), ["docker.io"]);
    await assertRejects(
      () => store.set("b.example", { username: "a:b", password: "s3cret" }),
      TypeError,
    );
  });
});

Deno.test("credentialFiles() leaves a link to its file, and makes no folder but its own", async () => {
  await withFile({ auths: {} }, async (store, path) => {
    const link = `${path}.link`;
    await Deno.symlink(path, link);
    const user = { username: "me", password: "1" };
    await credentialFiles([link]).set("a.example", user);
    assertEquals((await Deno.lstat(link)).isSymlink, true);
    assertEquals(await store.get({ registry: "a.example" }), user);
    const before = Deno.cwd();
    Deno.chdir(path.replace(/\/[^/]*$/, ""));
    try {
      await credentialFiles(["own.json"]).set("a.example", user);
      const entries = await Array.fromAsync(Deno.readDir("."));
      assertEquals(entries.filter(({ isDirectory }) => isDirectory), []);
    } finally {
      Deno.chdir(before);
    }
  });
});

Deno.test("credentialFiles() quotes no secret of a broken file", async () => {
  await withFile('{"auths": {"a": {"auth": "s3cret"', async ({ get }) => {
    const error = await assertRejects(
      async () => await get({ registry: "a" }),
      SyntaxError,
    );
    assert(!Deno.inspect(error).includes("s3cret"));
  });
});

Deno.test("credentialFiles() asks a config that is given as text before its files, and leaves it as it is", async () => {
  await withFile({
    auths: { "a.example": basic("a:file"), "b.example": basic("b:file") },
  }, async (_, path) => {
    const config = JSON.stringify({
      auths: {
        "https://a.example/v2/": basic("a:text"),
        "c.example/team": basic("c:text"),
      },
    });
    const store = credentialFiles([path], { config });
    const find = async (registry: string, repository = "team/app") =>
      Object.values(await store.get({ registry, repository }) ?? {}).join(" ");
    assertEquals(await find("a.example"), "a text");
    assertEquals(await find("b.example"), "b file");
    assertEquals(await find("c.example"), "c text");
    assertEquals(await find("c.example", "other/app"), "");
    assertEquals(await store.list(), [
      "a.example",
      "b.example",
      "c.example/team",
    ]);
    await store.set("c.example", { username: "c", password: "file" });
    assertEquals(await find("c.example", "other/app"), "c file");
    assertEquals(await store.delete("c.example/team"), false);
    assertEquals(await find("c.example"), "c text");
    // As an environment has it that sets a variable to nothing.
    for (const config of ["", undefined]) {
      const { get } = credentialFiles([path], { config });
      assertEquals(await get({ registry: "b.example" }), {
        username: "b",
        password: "file",
      });
    }
    const broken = credentialFiles([path], { config: '{"auth": "s3cret"' });
    const error = await assertRejects(
      async () => await broken.get({ registry: "b.example" }),
      SyntaxError,
      "such as DOCKER_AUTH_CONFIG: it is not a JSON object",
    );
    assert(!Deno.inspect(error).includes("s3cret"));
  });
});

Deno.test("credentialFiles() loses no change that comes with others at once", async () => {
  await withFile({}, async (store) => {
    const credentials = { username: "me", password: "secret" };
    const names = ["a.example", "b.example", "c.example"];
    await Promise.all(names.map((name) => store.set(name, credentials)));
    assertEquals(await store.list(), names);
    const deleted = await Promise.all(names.map((name) => store.delete(name)));
    assertEquals(deleted, [true, true, true]);
    assertEquals(await store.list(), []);
  });
});

Deno.test("credentialFiles() gives a helper no ready token, which would come back as another kind", async () => {
  await withFile({ credsStore: "none-such" }, async (store, path) => {
    await assertRejects(
      () => store.set("a.example", { registryToken: "abc" }),
      TypeError,
      "no place for a ready token",
    );
    assertEquals(JSON.parse(await Deno.readTextFile(path)), {
      credsStore: "none-such",
    });
  });
});

Deno.test("credentialFiles() runs no helper whose name is a path", async () => {
  await withFile({ credsStore: "../../evil" }, async ({ get }) => {
    await assertRejects(
      async () => await get({ registry: "a.example" }),
      TypeError,
      "it is not the name of one",
    );
  });
});
