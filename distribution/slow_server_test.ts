/**
 * Servers that answer in part, slowly or never: nothing hangs, and what fails says so by its class.
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { delay } from "./_delay.ts";
import { send } from "./_send.ts";
import { testImage } from "./_test_image.ts";
import { cutBody, type Fault, isBlob, startFaulty } from "./_test_faults.ts";
import {
  listTags,
  NetworkError,
  ProtocolError,
  pull,
  push,
  RegistryClient,
  RegistryError,
  resolve,
} from "./mod.ts";
import { createMemoryStore } from "./registry/mod.ts";

const image = testImage({ layers: [200_000] });

/** A body that gives one byte now and then, and never ends. */
function drip(): ReadableStream<Uint8Array<ArrayBuffer>> {
  let timer: ReturnType<typeof setInterval>;
  return new ReadableStream({
    start(controller) {
      timer = setInterval(() => controller.enqueue(new Uint8Array([32])), 5);
    },
    cancel: () => clearInterval(timer),
  });
}

/** No answer, until the client goes away: a server ends only when all its requests did. */
function silence(request: Request): Promise<Response> {
  return new Promise((resolve) =>
    request.signal.addEventListener("abort", () => resolve(new Response()))
  );
}

/** Serves the image with a fault that begins once it is there. */
async function start(
  fault: Fault,
  client: ConstructorParameters<typeof RegistryClient>[0] = {},
) {
  let isReady = false;
  const faulty = startFaulty(
    (request, answer) => isReady ? fault(request, answer) : undefined,
    {
      client: {
        retry: { attempts: 2, delay: 1, budget: 5000 },
        ...client,
      },
    },
  );
  await push(image, `${faulty.host}/app:1`);
  isReady = true;
  faulty.requests.length = 0;
  return faulty;
}

const isManifest = (request: Request) =>
  request.method === "GET" && request.url.includes("/manifests/");

Deno.test("pull() gives up on a manifest, a blob and an error that come byte by byte", async () => {
  const faults: Readonly<
    Record<
      string,
      { fault: Fault; type: typeof NetworkError | typeof RegistryError }
    >
  > = {
    manifest: {
      fault: (request) =>
        isManifest(request) ? new Response(drip()) : undefined,
      type: NetworkError,
    },
    blob: {
      fault: (request) => isBlob(request) ? new Response(drip()) : undefined,
      type: NetworkError,
    },
    error: {
      fault: (request) =>
        isManifest(request) ? new Response(drip(), { status: 404 }) : undefined,
      type: RegistryError,
    },
  };
  for (const { fault, type } of Object.values(faults)) {
    await using faulty = await start(fault);
    const error = await assertRejects(() =>
      pull(`${faulty.host}/app:1`, createMemoryStore(), {
        client: faulty.client,
      })
    );
    assertInstanceOf(error, type);
  }
});

Deno.test("a manifest or a list that breaks off is asked for again", async () => {
  let breaks = 1;
  await using faulty = await start(async (request, answer) =>
    (isManifest(request) || request.url.includes("/tags/")) && breaks-- > 0
      ? cutBody(await answer(), 10)
      : undefined
  );
  const { client } = faulty;
  const pulled = await pull(`${faulty.host}/app:1`, createMemoryStore(), {
    client,
  });
  assertEquals(pulled.descriptor, image.descriptor);
  breaks = 1;
  assertEquals(
    await Array.fromAsync(listTags(`${faulty.host}/app`, { client })),
    ["1"],
  );
  breaks = 10;
  const error = await assertRejects(
    () => Array.fromAsync(listTags(`${faulty.host}/app`, { client })),
    NetworkError,
    "the connection broke",
  );
  assertEquals(error.host, faulty.host);
});

Deno.test("a timeout of Infinity, or of more than a timer takes, is no short one", async () => {
  for (const ms of [Infinity, 2 ** 40]) {
    await using faulty = await start(
      async (_request, answer) => {
        await delay(20);
        return await answer();
      },
      { timeout: ms, stallTimeout: ms, retry: { attempts: 1 } },
    );
    const { client } = faulty;
    const pulled = await pull(`${faulty.host}/app:1`, createMemoryStore(), {
      client,
    });
    assertEquals(pulled.descriptor, image.descriptor);
  }
  for (const wrong of [{ timeout: NaN }, { stallTimeout: 0 }]) {
    assertThrows(() => new RegistryClient(wrong), RangeError, "above 0");
  }
});

Deno.test("a server that never answers is given up on, and told by TimedOut", async () => {
  await using faulty = await start(
    (request) => isManifest(request) ? silence(request) : undefined,
    { timeout: 50, retry: { attempts: 1 } },
  );
  await assertRejects(
    () =>
      pull(
        `${faulty.host}/app@${image.descriptor.digest}`,
        createMemoryStore(),
        {
          client: faulty.client,
        },
      ),
    Deno.errors.TimedOut,
    "did not answer within 0.05 s",
  );
});

Deno.test("the timeout of a host is for its connection, not for what it answers", async () => {
  const asked: string[] = [];
  await using faulty = await start(async (request, answer) => {
    const response = await answer();
    // A mirror that has to ask the registry first.
    if (asked.push(request.method) === 1) await delay(1000);
    return response;
  });
  using client = new RegistryClient({
    hosts: () => [{ url: `http://${faulty.host}/v2/`, timeout: 500 }],
    retry: { attempts: 1 },
  });
  assertEquals(
    await resolve("registry.example/app:1", { client }),
    image.descriptor,
  );
  assertEquals(asked, ["HEAD"]);
});

Deno.test("send() ends when no connection stands in time, and lets go of the attempt", async () => {
  let isLeft = false;
  const never = (signal: AbortSignal | null | undefined) =>
    new Promise<never>((_, reject) =>
      signal?.addEventListener("abort", () => reject(signal.reason))
    );
  await assertRejects(
    () =>
      send((_, init) => never(init.signal), new URL("http://a.example/"), {
        action: "ask",
        method: "GET",
        headers: {},
        timeout: 60_000,
        dial: {
          timeout: 20,
          connect: (signal) => never(signal).finally(() => isLeft = true),
        },
      }),
    Deno.errors.TimedOut,
    "Cannot ask: a.example could not be reached within 0.02 s",
  );
  await delay(0);
  assert(isLeft);
});

/** A registry that wants a token of its own server, which has a fault. */
function withToken(fault: Fault): Fault {
  return (request, answer) => {
    const { pathname, origin } = new URL(request.url);
    if (pathname === "/token") return fault(request, answer);
    return request.headers.get("authorization") === "Bearer right"
      ? undefined
      : new Response(null, {
        status: 401,
        headers: {
          "www-authenticate": `Bearer realm="${origin}/token",service="s"`,
        },
      });
  };
}

Deno.test("a token server that is busy is asked again, one that is slow or silent is given up on", async () => {
  let busy = 1;
  const right = () => Response.json({ token: "right", expires_in: 300 });
  {
    await using faulty = await start(
      withToken(() =>
        busy-- > 0
          ? new Response(null, { status: 503, headers: { "retry-after": "0" } })
          : right()
      ),
    );
    const { client } = faulty;
    assertEquals(
      await resolve(`${faulty.host}/app:1`, { client }),
      image.descriptor,
    );
  }
  {
    await using faulty = await start(withToken(() => new Response(drip())));
    await assertRejects(
      () => resolve(`${faulty.host}/app:1`, { client: faulty.client }),
      NetworkError,
      "Cannot authenticate",
    );
  }
  {
    await using faulty = await start(withToken(silence), {
      timeout: 50,
      retry: { attempts: 1 },
    });
    await assertRejects(
      () => resolve(`${faulty.host}/app:1`, { client: faulty.client }),
      Deno.errors.TimedOut,
    );
  }
  await using faulty = await start(
    withToken(() => Response.json({ secret: "s3cret" })),
  );
  const error = await assertRejects(
    () => resolve(`${faulty.host}/app:1`, { client: faulty.client }),
    ProtocolError,
    "holds no token",
  );
  assert(!Deno.inspect(error).includes("s3cret"));
});

Deno.test("push() leaves no timer behind when a server answers before it read all", async () => {
  let refusals = 1;
  await using faulty = await start((request) =>
    request.method === "PATCH" && refusals-- > 0
      // The body is still on its way.
      ? new Response(null, { status: 503 })
      : undefined
  );
  // The sanitizer of the test finds a timer that would keep a program from ending.
  await push(
    testImage({ seed: 2, layers: [8_000_000] }),
    `${faulty.host}/app:2`,
    { client: faulty.client },
  );
});
