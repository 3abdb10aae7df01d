/**
 * What errors, progress and events tell: no password, no token, nothing of a URL that is for its server only.
 */
import { channel } from "node:diagnostics_channel";
import { assert, assertEquals } from "@std/assert";
import { hideSecrets } from "./_hide_secrets.ts";
import { testImage } from "./_test_image.ts";
import { type Fault, startFaulty } from "./_test_faults.ts";
import {
  type Credentials,
  login,
  parseHosts,
  parseReference,
  pull,
  push,
  RegistryClient,
  type RegistryHost,
} from "./mod.ts";
import { createMemoryStore } from "./registry/mod.ts";

const SECRET = "s3cret";
const QUERY = `?X-Amz-Signature=${SECRET}`;
const SECRETS = [SECRET, btoa(`me:${SECRET}`)];
const CREDENTIALS: readonly Credentials[] = [
  { username: "me", password: SECRET },
  { identityToken: SECRET },
  { registryToken: SECRET },
];
const image = testImage();

/** An error with all it holds, as it is printed when nobody catches it. */
function assertHidden(told: unknown, what: string): void {
  const text = Deno.inspect(told, { depth: 20, strAbbreviateSize: 100_000 });
  for (const secret of SECRETS) assert(!text.includes(secret), what + text);
}

async function assertFails(
  what: string,
  call: () => unknown,
): Promise<void> {
  let error: unknown;
  try {
    await call();
  } catch (thrown) {
    error = thrown;
  }
  assert(error instanceof Error, what);
  assertHidden(error, what);
}

/** A place on this machine where nobody listens. */
async function deadHost(): Promise<string> {
  const faulty = startFaulty();
  await faulty[Symbol.asyncDispose]();
  return faulty.host;
}

const redirect = (location: string): Fault => (request) =>
  ["GET", "HEAD", "POST", "PATCH", "PUT"].includes(request.method)
    ? new Response(null, { status: 307, headers: { location } })
    : undefined;

const refuse = (challenge: string): Fault => () =>
  new Response(null, {
    status: 401,
    headers: { "www-authenticate": challenge },
  });

Deno.test("hideSecrets() cuts URLs wherever they stand", () => {
  for (
    const [text, shown] of [
      [
        "see https://me:p@a.example:5/b)c?d=(e)#f g",
        "see https://a.example:5/b)c g",
      ],
      [
        "//me@a.example/b and \\\\me:p@a.example",
        "//a.example/b and \\\\a.example",
      ],
      ["https://a.example/app@sha256:1", "https://a.example/app@sha256:1"],
      ["really? yes # no", "really? yes # no"],
    ] as const
  ) assertEquals(hideSecrets(text), shown);
});

Deno.test("errors and events hold no password, no token and nothing of a signed URL", async () => {
  const dead = await deadHost();
  const faults: Record<string, Fault> = {
    "a place where nobody listens": redirect(
      `http://me:${SECRET}@${dead}/a)b${QUERY}`,
    ),
    "a redirect to another protocol": redirect(
      `ftp://me:${SECRET}@a.example/b${QUERY}`,
    ),
    "a redirect without slashes": redirect(
      `ftp:me:${SECRET}@a.example${QUERY}`,
    ),
    "a redirect that is no URL": redirect(`http://me:${SECRET}@[/b${QUERY}`),
    "a redirect in a circle": redirect(`/v2/${QUERY}`),
    "a password that is refused": refuse("Basic"),
    "a realm with a password": refuse(
      `Bearer realm="http://me:${SECRET}@127.0.0.1/token${QUERY}"`,
    ),
    "a realm that is refused": refuse(
      `Bearer realm="ftp://127.0.0.1/token${QUERY}"`,
    ),
    "a realm that is no URL": refuse(
      `Bearer realm="http://me:${SECRET}@[/token${QUERY}"`,
    ),
    "a realm where nobody listens": refuse(
      `Bearer realm="http://${dead}/token${QUERY}"`,
    ),
    "a realm that says no": (request) =>
      request.url.includes("/token")
        ? Response.json({ details: `no: ${request.url}` }, { status: 401 })
        : refuse(`Bearer realm="/token${QUERY}"`)(request, () => {
          throw new Error("unreachable");
        }),
    "a token that is none": (request) =>
      request.url.includes("/token")
        ? Response.json({ token: `${SECRET}\n` })
        : refuse(`Bearer realm="/token"`)(request, () => {
          throw new Error("unreachable");
        }),
    "an error that quotes a URL": () =>
      Response.json({
        errors: [{
          code: "DENIED",
          message: `see https://me:${SECRET}@a.example/b${QUERY}`,
        }],
      }, { status: 403 }),
  };
  const events: unknown[] = [];
  const note = (event: unknown) => void events.push(event);
  const registry = channel("containerkit:registry");
  registry.subscribe(note);
  try {
    for (const [what, fault] of Object.entries(faults)) {
      await using faulty = startFaulty(fault);
      for (const credentials of CREDENTIALS) {
        using client = new RegistryClient({
          credentials: () => credentials,
          retry: { attempts: 1 },
          onNotice: note,
        });
        const options = { client, onProgress: note };
        const name = `${faulty.host}/app:1`;
        await assertFails(
          what,
          () => pull(name, createMemoryStore(), options),
        );
        await assertFails(what, () => push(image, name, options));
        await assertFails(
          what,
          () => login(faulty.host, credentials, { retry: { attempts: 1 } }),
        );
      }
    }
    assert(events.length > 0);
    assertHidden(events, "events");
  } finally {
    registry.unsubscribe(note);
  }
});

Deno.test("an upload to a signed URL that breaks tells nothing of it", async () => {
  const dead = await deadHost();
  for (
    const location of [
      `http://me:${SECRET}@${dead}/upload${QUERY}`,
      `ftp://me:${SECRET}@${dead}/upload${QUERY}`,
    ]
  ) {
    await using faulty = startFaulty((request) =>
      request.method === "POST"
        ? new Response(null, { status: 202, headers: { location } })
        : undefined
    );
    using client = new RegistryClient({ retry: { attempts: 1 } });
    const events: unknown[] = [];
    const onProgress = (event: unknown) => void events.push(event);
    await assertFails(
      location,
      () => push(image, `${faulty.host}/app:1`, { client, onProgress }),
    );
    assertHidden(events, "progress");
  }
});

Deno.test("what a caller says wrongly is not quoted where it may be a secret", async () => {
  await assertFails(
    "a reference with a password",
    () => parseReference(`https://me:${SECRET}@a.example/app:1`),
  );
  const read = (text: string) => () =>
    parseHosts(text, {
      registry: "a.example",
      readFile: () => Promise.resolve(""),
    });
  for (
    const text of [
      `[host."a.example".header]\nauthorization = Basic ${SECRET}`,
      `[host."a.example".header]\nauthorization = "Basic ${SECRET}`,
      `server = "ftp://me:${SECRET}@a.example${QUERY}"`,
      `[host]\n"https://me:${SECRET}@a.example" = 1`,
    ]
  ) await assertFails(text, read(text));
  const hosts: RegistryHost[] = [
    { url: `http://me:${SECRET}@[/v2/` },
    {
      url: "http://127.0.0.1:5/v2/",
      headers: { authorization: `Basic\n${SECRET}` },
    },
    {
      url: "http://127.0.0.1:5/v2/",
      headers: { [`authorization: Basic ${SECRET}`]: "" },
    },
  ];
  for (const host of hosts) {
    using client = new RegistryClient({ hosts: () => [host] });
    await assertFails(
      "a host",
      () => client.request("a.example", { action: "ask", path: "" }),
    );
    await assertFails(
      "a host",
      () => login("a.example", CREDENTIALS[0]!, { hosts: () => [host] }),
    );
  }
  await using faulty = startFaulty(refuse('Bearer realm="/token"'));
  for (const registryToken of [`a\n${SECRET}`, `a\u0100${SECRET}`]) {
    using client = new RegistryClient({
      credentials: () => ({ registryToken }),
    });
    await assertFails(
      "a token over two lines",
      () => client.request(faulty.host, { action: "ask", path: "" }),
    );
  }
});
