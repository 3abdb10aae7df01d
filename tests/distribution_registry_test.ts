/**
 * Our client against docker-registry: plain, with passwords, with tokens, by TLS, as a mirror.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  copy,
  createImage,
  credentialFiles,
  type Credentials,
  deleteManifest,
  deleteTag,
  hostsDirectory,
  listReferrers,
  listRepositories,
  listTags,
  login,
  NetworkError,
  openRepository,
  pull,
  push,
  RegistryClient,
  RegistryError,
  resolve,
} from "@containerkit/distribution";
import {
  createMemoryStore,
  createRegistry,
} from "@containerkit/distribution/registry";
import { testImage } from "../distribution/_test_image.ts";
import { makeCertificates } from "./certificates.ts";
import {
  need,
  peer,
  runProgram,
  startDockerRegistry,
  tempDir,
  testIf,
} from "./mod.ts";
import { startTokenServer, TOKEN_USER } from "./token_server.ts";

const missing = need("docker-registry", "openssl", "htpasswd");
const retry = { attempts: 2, delay: 1 };

async function roundTrip(
  reference: string,
  options: { client?: RegistryClient; seed?: number } = {},
): Promise<void> {
  const { client, seed = 1 } = options;
  const call = client === undefined ? {} : { client };
  const image = testImage({ layers: [700_000, 5, 0], seed });
  await push(image, reference, { ...call, chunkSize: 300_000 });
  const pulled = await pull(reference, createMemoryStore(), call);
  assertEquals(pulled.descriptor.digest, image.descriptor.digest);
}

testIf(missing, "push() and pull() work with docker-registry", async () => {
  using temp = tempDir();
  await using registry = await startDockerRegistry({ folder: temp.path });
  const reference = `${registry.host}/team/app:1`;
  await roundTrip(reference);
  assertEquals(await Array.fromAsync(listTags(reference)), ["1"]);
  assertEquals(await Array.fromAsync(listRepositories(registry.host)), [
    "team/app",
  ]);
  const { digest } = await resolve(reference);
  await copy(reference, `${registry.host}/other/app:2`);
  assertEquals((await resolve(`${registry.host}/other/app:2`)).digest, digest);
  await push(testImage({ seed: 9 }), `${registry.host}/team/app:2`);
  await deleteManifest(`${registry.host}/team/app@${digest}`);
  const error = await assertRejects(() => resolve(reference), RegistryError);
  assertEquals(error.status, 404);
});

testIf(
  missing,
  "copy() asks for no blob of an image that is there",
  async () => {
    using temp = tempDir();
    await using registry = await startDockerRegistry({ folder: temp.path });
    const from = `${registry.host}/app:1`;
    const to = `${registry.host}/other:1`;
    await push(testImage(), from);
    await copy(from, to);
    const urls: string[] = [];
    const note = (event: unknown) =>
      void urls.push((event as { url: string }).url);
    subscribe("containerkit:registry", note);
    try {
      await copy(from, to);
    } finally {
      unsubscribe("containerkit:registry", note);
    }
    assertEquals(urls.filter((url) => url.includes("/blobs/")), []);
  },
);

testIf(missing, "push() continues at relative locations", async () => {
  using temp = tempDir();
  await using registry = await startDockerRegistry({
    folder: temp.path,
    config: { http: { relativeurls: true } },
  });
  await roundTrip(`${registry.host}/app:1`);
});

testIf(
  missing,
  "deleteTag() takes the tag only, where the registry cannot",
  async () => {
    using temp = tempDir();
    await using registry = await startDockerRegistry({ folder: temp.path });
    const name = `${registry.host}/app`;
    const image = testImage();
    await push(image, `${name}:old`);
    await push(image, `${name}:new`);
    await deleteTag(`${name}:old`);
    assertEquals(await Array.fromAsync(listTags(name)), ["new"]);
    assertEquals(
      (await resolve(`${name}:new`)).digest,
      image.descriptor.digest,
    );
    const error = await assertRejects(
      () => deleteTag(`${name}:old`),
      RegistryError,
    );
    assertEquals(error.status, 404);
  },
);

testIf(
  missing,
  "deleteTag() leaves the tag of a registry that deletes nothing",
  async () => {
    using temp = tempDir();
    await using registry = await startDockerRegistry({
      folder: temp.path,
      config: {
        storage: { filesystem: { rootdirectory: `${temp.path}/data` } },
      },
    });
    const reference = `${registry.host}/app:1`;
    const image = testImage();
    await push(image, reference);
    const error = await assertRejects(
      () => deleteTag(reference),
      RegistryError,
    );
    assertEquals(error.status, 405);
    assertEquals((await resolve(reference)).digest, image.descriptor.digest);
  },
);

testIf(
  missing,
  "push() lists referrers by a tag where there is no API, and deleteManifest() takes them off",
  async () => {
    using temp = tempDir();
    await using registry = await startDockerRegistry({ folder: temp.path });
    const name = `${registry.host}/app`;
    const subject = await push(testImage(), `${name}:1`);
    const about = (seed: number) =>
      testImage({ seed, subject, annotations: { seed: `${seed}` } });
    const referrers = await Promise.all(
      [2, 3, 4].map((seed) =>
        push(about(seed), `${name}@${about(seed).descriptor.digest}`)
      ),
    );
    const list = async () =>
      (await Array.fromAsync(listReferrers(`${name}:1`))).map(({ digest }) =>
        digest
      ).toSorted();
    assertEquals(
      await list(),
      referrers.map(({ digest }) => digest).toSorted(),
    );
    const [first] = await Array.fromAsync(listReferrers(`${name}:1`));
    assertEquals(
      first?.artifactType,
      "application/vnd.oci.image.config.v1+json",
    );
    assert(first?.annotations?.seed !== undefined);
    await deleteManifest(`${name}@${referrers[0]!.digest}`);
    assertEquals(
      await list(),
      referrers.slice(1).map(({ digest }) => digest).toSorted(),
    );
    await copy(`${name}:1`, `${registry.host}/copy:1`, { referrers: true });
    const copied = listReferrers(`${registry.host}/copy:1`);
    assertEquals((await Array.fromAsync(copied)).length, 2);
  },
);

testIf(
  missing,
  "a client with a password works where one is asked for, and no error shows it",
  async () => {
    using temp = tempDir();
    const file = `${temp.path}/htpasswd`;
    await runProgram("htpasswd", ["-Bbc", file, "bob", "s3cret:x"]);
    await using registry = await startDockerRegistry({
      folder: temp.path,
      config: { auth: { htpasswd: { realm: "r", path: file } } },
    });
    const files = credentialFiles([`${temp.path}/config.json`]);
    const right = { username: "bob", password: "s3cret:x" };
    await files.set(registry.host, await login(registry.host, right));
    using client = new RegistryClient({ credentials: files.get });
    await roundTrip(`${registry.host}/app:1`, { client });
    for (
      const credentials of [undefined, { username: "bob", password: "wr0ng" }]
    ) {
      using client = new RegistryClient({ credentials: () => credentials });
      const error = await assertRejects(
        () => resolve(`${registry.host}/app:1`, { client }),
        RegistryError,
      );
      assertEquals([error.status, error.codes], [401, ["UNAUTHORIZED"]]);
      assert(!Deno.inspect(error).includes("wr0ng"));
    }
  },
);

const credentials: Record<string, Credentials> = {
  "a password": {
    username: TOKEN_USER.username,
    password: TOKEN_USER.password,
  },
  "an identity token": { identityToken: TOKEN_USER.identityToken },
};
for (const [name, known] of Object.entries(credentials)) {
  for (const seconds of [300, 1]) {
    testIf(
      missing,
      `a client with ${name} gets tokens that last ${seconds} s`,
      async () => {
        using temp = tempDir();
        const { serverCert: cert, serverKey: key } = await makeCertificates(
          temp.path,
        );
        await using tokens = startTokenServer({ cert, key, seconds });
        await using registry = await startDockerRegistry({
          folder: temp.path,
          config: tokens.config,
        });
        using client = new RegistryClient({ credentials: () => known });
        await roundTrip(`${registry.host}/app:1`, { client });
        await copy(`${registry.host}/app:1`, `${registry.host}/b:1`, {
          client,
        });
        assert(
          tokens.requests.includes("GET repository:app:pull,push") ||
            tokens.requests.includes("POST repository:app:pull,push"),
        );
        // One token serves all requests with the same rights at the same time.
        if (seconds === 300) {
          assertEquals(tokens.requests.length, new Set(tokens.requests).size);
        }
        // Without a user there are rights to pull, and only these.
        await pull(`${registry.host}/app:1`, createMemoryStore());
        const error = await assertRejects(
          () => push(testImage({ seed: 2 }), `${registry.host}/app:2`),
          RegistryError,
        );
        assertEquals(error.status, 401);
      },
    );
  }
}

testIf(
  missing,
  "a token server that knows OAuth2 only is asked by it, and login() keeps its token",
  async () => {
    using temp = tempDir();
    const { serverCert: cert, serverKey: key } = await makeCertificates(
      temp.path,
    );
    await using tokens = startTokenServer({ cert, key, methods: ["POST"] });
    await using registry = await startDockerRegistry({
      folder: temp.path,
      config: tokens.config,
    });
    const { username, password, identityToken } = TOKEN_USER;
    const kept = await login(registry.host, { username, password });
    assertEquals(kept, { identityToken });
    await assertRejects(
      () => login(registry.host, { username, password: "wrong" }),
      RegistryError,
      "401",
    );
    using client = new RegistryClient({
      credentials: () => ({ username, password }),
    });
    await roundTrip(`${registry.host}/app:1`, { client });
  },
);

testIf(missing, "a credential helper is asked by its protocol", async () => {
  using temp = tempDir();
  const file = `${temp.path}/htpasswd`;
  await runProgram("htpasswd", ["-Bbc", file, "bob", "s3cret"]);
  await using registry = await startDockerRegistry({
    folder: temp.path,
    config: { auth: { htpasswd: { realm: "r", path: file } } },
  });
  const helper = `${temp.path}/docker-credential-tests`;
  await Deno.writeTextFile(
    helper,
    `#!/bin/sh
read -r server
case "$1 $server" in
"get ${registry.host}") echo '{"ServerURL":"","Username":"bob","Secret":"s3cret"}' ;;
*) echo "credentials not found in native keychain"; exit 1 ;;
esac
`,
    { mode: 0o755 },
  );
  await Deno.writeTextFile(
    `${temp.path}/config.json`,
    JSON.stringify({ credHelpers: { [registry.host]: "tests" } }),
  );
  const path = Deno.env.get("PATH")!;
  Deno.env.set("PATH", `${temp.path}:${path}`);
  try {
    const { get } = credentialFiles([`${temp.path}/config.json`]);
    using client = new RegistryClient({ credentials: get });
    await roundTrip(`${registry.host}/app:1`, { client });
    assertEquals(await get({ registry: "elsewhere.example" }), undefined);
  } finally {
    Deno.env.set("PATH", path);
  }
});

testIf(
  missing,
  "TLS by an own authority, with a client certificate, and unverified",
  async () => {
    using temp = tempDir();
    const certificates = await makeCertificates(temp.path);
    const { ca, serverCert, serverKey, clientCert, clientKey } = certificates;
    const read = Deno.readTextFileSync;
    await using registry = await startDockerRegistry({
      folder: temp.path,
      scheme: "https",
      ca: read(ca),
      config: { http: { tls: { certificate: serverCert, key: serverKey } } },
    });
    const reference = `${registry.host}/app:1`;
    {
      using client = new RegistryClient({ tls: { ca: [read(ca)] } });
      await roundTrip(reference, { client });
    }
    {
      using client = new RegistryClient({ tls: { skipVerify: true } });
      await roundTrip(reference, { client, seed: 2 });
    }
    {
      using client = new RegistryClient({ plainHttp: false, retry });
      await assertRejects(
        () => resolve(reference, { client }),
        NetworkError,
        "UnknownIssuer",
      );
    }
    const folder = `${temp.path}/certs.d/${registry.host}`;
    await Deno.mkdir(folder, { recursive: true });
    await Deno.copyFile(ca, `${folder}/ca.crt`);
    await Deno.copyFile(clientCert, `${folder}/client.cert`);
    await Deno.copyFile(clientKey, `${folder}/client.key`);
    {
      using client = new RegistryClient({
        hosts: hostsDirectory(`${temp.path}/certs.d`),
      });
      await roundTrip(reference, { client, seed: 3 });
    }
  },
);

testIf(
  need("openssl"),
  "push() to a host that is not verified lets go of what it reads when it ends early",
  async () => {
    using temp = tempDir();
    const { serverCert, serverKey } = await makeCertificates(temp.path);
    await using registry = createRegistry({ store: createMemoryStore() });
    await using server = Deno.serve(
      {
        hostname: "127.0.0.1",
        port: 0,
        onListen() {},
        cert: Deno.readTextFileSync(serverCert),
        key: Deno.readTextFileSync(serverKey),
      },
      (request) =>
        request.method === "PATCH" && isRefused
          ? new Response(null, { status: 403 })
          : registry(request),
    );
    let isRefused = false;
    using client = new RegistryClient({ tls: { skipVerify: true }, retry });
    const { raw } = testImage({ layers: [5_000_000] });
    for (isRefused of [true, false]) {
      const gone = Promise.withResolvers<void>();
      const controller = new AbortController();
      const image = createImage(raw, () =>
        Promise.resolve(
          new ReadableStream({
            async pull(stream) {
              // Both times the other side ends it first.
              if (!isRefused) controller.abort();
              await new Promise((resolve) => setTimeout(resolve, 1));
              stream.enqueue(new Uint8Array(1000));
            },
            cancel: () => gone.resolve(),
          }),
        ));
      await assertRejects(() =>
        push(image, `127.0.0.1:${server.addr.port}/app:1`, {
          client,
          signal: controller.signal,
        })
      );
      await gone.promise;
    }
  },
);

testIf(
  missing,
  "a registry that wants a client certificate gets it, and nobody else",
  async () => {
    using temp = tempDir();
    const { ca, serverCert, serverKey, clientCert, clientKey } =
      await makeCertificates(temp.path);
    const read = Deno.readTextFileSync;
    await using registry = await startDockerRegistry({
      folder: temp.path,
      config: {
        http: {
          tls: { certificate: serverCert, key: serverKey, clientcas: [ca] },
        },
      },
      scheme: "https",
      ca: read(ca),
      client: { cert: read(clientCert), key: read(clientKey) },
    });
    for (const skipVerify of [false, true]) {
      using client = new RegistryClient({
        retry,
        tls: {
          ca: [read(ca)],
          cert: read(clientCert),
          key: read(clientKey),
          skipVerify,
        },
      });
      await roundTrip(`${registry.host}/app:1`, { client });
    }
    using client = new RegistryClient({ retry, tls: { ca: [read(ca)] } });
    await assertRejects(
      () => resolve(`${registry.host}/app:1`, { client }),
      NetworkError,
    );
  },
);

testIf(
  missing,
  "hosts.toml leads to a mirror that pulls through, and around one that is down",
  async () => {
    using temp = tempDir();
    await Deno.mkdir(`${temp.path}/mirror`);
    await using registry = await startDockerRegistry({ folder: temp.path });
    await using mirror = await startDockerRegistry({
      folder: `${temp.path}/mirror`,
      config: { proxy: { remoteurl: `http://${registry.host}` } },
    });
    const image = testImage({ layers: [100_000] });
    await push(image, `${registry.host}/app:1`);
    const folder = `${temp.path}/hosts/registry.example`;
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(
      `${folder}/hosts.toml`,
      `server = "http://${registry.host}"
[host."http://127.0.0.1:1"]
capabilities = ["pull", "resolve"]
[host."http://${mirror.host}"]
capabilities = ["pull", "resolve"]
`,
    );
    const asked: string[] = [];
    const { subscribe, unsubscribe } = await import("node:diagnostics_channel");
    const note = (message: unknown) =>
      void asked.push(new URL((message as { url: string }).url).host);
    subscribe("containerkit:registry", note);
    try {
      using client = new RegistryClient({
        hosts: hostsDirectory(`${temp.path}/hosts`),
        retry: { attempts: 1 },
      });
      const pulled = await pull("registry.example/app:1", createMemoryStore(), {
        client,
      });
      assertEquals(pulled.descriptor.digest, image.descriptor.digest);
      assert(asked.includes(mirror.host) && !asked.includes(registry.host));
      // Pushes pass over mirrors.
      await push(testImage({ seed: 5 }), "registry.example/b:1", { client });
      assert(asked.includes(registry.host));
    } finally {
      unsubscribe("containerkit:registry", note);
    }
  },
);

testIf(
  missing ??
    (peer("docker-registry")
      ? undefined
      : "program missing: docker-registry 2.8.3"),
  "resolve() of what is not there, and read() of a repository",
  async () => {
    using temp = tempDir();
    await using registry = await startDockerRegistry({
      folder: temp.path,
      command: peer("docker-registry")!,
    });
    const image = testImage();
    await push(image, `${registry.host}/app:1`);
    const repository = openRepository(`${registry.host}/app`);
    assertEquals(await repository.resolve("nothing"), undefined);
    const descriptor = await repository.resolve("1");
    assertEquals(await repository.read(descriptor!), image.raw.manifest);
  },
);
