/**
 * Credentials that change while a client lives.
 */
import { assertEquals, assertRejects } from "@std/assert";
import { type Fault, startFaulty } from "./_test_faults.ts";
import {
  type Credentials,
  listTags,
  RegistryClient,
  RegistryError,
} from "./mod.ts";

const user = (password: string): Credentials => ({ username: "me", password });

/** What a server is sent for a password, or a ready token. */
function headerOf(credentials: Credentials): string {
  if ("registryToken" in credentials) {
    return `Bearer ${credentials.registryToken}`;
  }
  return "username" in credentials
    ? `Basic ${btoa(`${credentials.username}:${credentials.password}`)}`
    : "";
}

/** A server that takes one password at a time, itself or by its token server, and counts what is sent to it. */
function guard(options: { kind: "basic" | "bearer"; status?: number }) {
  const state = { right: headerOf(user("1")), refused: 0, valid: "" };
  const refuse = (status: number, challenge: string) => {
    state.refused++;
    return new Response(null, {
      status,
      headers: { "www-authenticate": challenge },
    });
  };
  const fault: Fault = async (request) => {
    const { pathname, origin } = new URL(request.url);
    const sent = request.headers.get("authorization");
    const status = sent === null ? 401 : options.status ?? 401;
    if (pathname === "/token") {
      const form = await request.text();
      const isRight = sent === state.right ||
        form.includes(`refresh_token=${state.right}&`);
      if (!isRight) return refuse(options.status ?? 401, "Basic");
      return Response.json({ token: state.valid = crypto.randomUUID() });
    }
    const isRight = options.kind === "basic"
      ? sent === state.right
      : sent === `Bearer ${state.valid}`;
    if (isRight) return Response.json({});
    return options.kind === "basic"
      ? refuse(status, "Basic")
      : refuse(401, `Bearer realm="${origin}/token"`);
  };
  return { state, fault };
}

const request = (client: RegistryClient, host: string) =>
  client.request(host, { action: "ask", path: "" })
    .then(({ response }) => response.body?.cancel());

Deno.test("a password that is refused is asked for once again, for all requests", async () => {
  for (const [kind, status] of [["basic", 401], ["basic", 403]] as const) {
    const { state, fault } = guard({ kind, status });
    await using faulty = startFaulty(fault);
    const next = [user("1"), user("2"), { registryToken: "3" }, user("4")];
    let asked = 0;
    using client = new RegistryClient({ credentials: () => next[asked++] });
    await request(client, faulty.host);
    for (const credentials of next.slice(1)) {
      state.right = headerOf(credentials);
      const before = asked;
      await Promise.all(
        Array.from({ length: 5 }, () => request(client, faulty.host)),
      );
      assertEquals(asked - before, 1);
    }
  }
});

Deno.test("a password that a token server refuses is asked for once again", async () => {
  for (const status of [400, 401, 403]) {
    const { state, fault } = guard({ kind: "bearer", status });
    await using faulty = startFaulty(fault);
    const next = [user("1"), user("2"), { identityToken: "3" }];
    let asked = 0;
    using client = new RegistryClient({ credentials: () => next[asked++] });
    await request(client, faulty.host);
    for (const right of [headerOf(user("2")), "3"]) {
      Object.assign(state, { right, valid: "", refused: 0 });
      const before = asked;
      await Promise.all(
        Array.from({ length: 5 }, () => request(client, faulty.host)),
      );
      assertEquals(asked - before, 1);
    }
  }
});

Deno.test("a refusal is told when there is nothing else to send", async () => {
  for (const kind of ["basic", "bearer"] as const) {
    const sources: [credentials: () => Credentials, refused: number][] = [
      // The same: it is not sent again.
      [() => user("1"), 1],
      [() => {
        throw new Error("the helper is gone");
      }, 1],
      // Something else each time, as some helpers have it: once.
      [() => user(crypto.randomUUID()), 2],
    ];
    for (const [source, refused] of sources) {
      const { state, fault } = guard({ kind });
      await using faulty = startFaulty(fault);
      let asked = 0;
      using client = new RegistryClient({
        credentials: () => asked++ === 0 ? user("1") : source(),
      });
      await request(client, faulty.host);
      // The next one is refused as well, whatever it is.
      Object.assign(state, { right: "none", valid: "none", refused: 0 });
      const error = await assertRejects(
        () => request(client, faulty.host),
        RegistryError,
      );
      assertEquals(error.status, 401);
      assertEquals(asked, 2);
      // A token that ended is refused first.
      assertEquals(state.refused, kind === "basic" ? refused : refused + 1);
    }
  }
});

Deno.test("a client that had no password is told of one that came later", async () => {
  for (const kind of ["basic", "bearer"] as const) {
    const { state, fault } = guard({ kind });
    await using faulty = startFaulty((request, answer) =>
      // Anybody gets a token, which is good for nothing.
      request.url.includes("/token") && !request.headers.has("authorization")
        ? Response.json({ token: "anonymous" })
        : fault(request, answer)
    );
    let credentials: Credentials | undefined = undefined;
    using client = new RegistryClient({ credentials: () => credentials });
    await assertRejects(() => request(client, faulty.host), RegistryError);
    credentials = user("1");
    await request(client, faulty.host);
    assertEquals(state.right, headerOf(credentials));
  }
});

Deno.test("a refusal is let go of when nothing can be found to answer it", async () => {
  const gone = Promise.withResolvers<void>();
  await using faulty = startFaulty(() =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(10)),
        cancel: () => gone.resolve(),
      }),
      { status: 401, headers: { "www-authenticate": "Basic" } },
    )
  );
  using client = new RegistryClient({
    credentials: () => Promise.reject(new Error("the helper is broken")),
  });
  await assertRejects(
    () => Array.fromAsync(listTags(`${faulty.host}/app`, { client })),
    Error,
    "the helper is broken",
  );
  await gone.promise;
});
