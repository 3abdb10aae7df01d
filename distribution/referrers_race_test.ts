import { assert, assertEquals } from "@std/assert";
import { type Descriptor, MediaType } from "@containerkit/oci";
import { testImage } from "./_test_image.ts";
import { referrersTag } from "./_referrers_tag.ts";
import { type Fault, startFaulty } from "./_test_faults.ts";
import { listReferrers, push, RegistryClient } from "./mod.ts";

const subject = testImage();
const tag = referrersTag(subject.descriptor.digest);

/** A registry without the referrers API. */
const noApi: Fault = async (request, answer) => {
  const { pathname } = new URL(request.url);
  if (pathname.includes("/referrers/")) {
    return new Response("404 page not found", { status: 404 });
  }
  const response = await answer();
  response.headers.delete("oci-subject");
  return response;
};

/** Pushes this many referrers at once; gives how many are listed, and how often the list was refused. */
async function race(count: number, fault: Fault) {
  let refused = 0;
  await using faulty = startFaulty(async (request, answer) => {
    const response = await fault(request, answer);
    if (response?.status === 412) refused++;
    return response;
  }, { client: { retry: { attempts: 20, delay: 5, budget: 60_000 } } });
  const { host, client } = faulty;
  await push(subject, `${host}/app:1`, { client });
  const images = Array.from({ length: count }, (_, at) =>
    testImage({
      seed: at + 2,
      subject: subject.descriptor,
      annotations: { at: `${at}` },
    }));
  await Promise.all(
    images.map((image) =>
      push(image, `${host}/app@${image.descriptor.digest}`, { client })
    ),
  );
  const found = await Array.fromAsync(
    listReferrers(`${host}/app:1`, { client }),
  );
  assertEquals(
    new Set(found.map(({ digest }) => digest)),
    new Set(images.map(({ descriptor }) => descriptor.digest)),
  );
  const { annotations } = found[0] as Descriptor;
  assert(annotations?.at !== undefined);
  return refused;
}

Deno.test("push() loses no referrer of a tag that others change at the same time", async () => {
  // A registry that knows If-Match refuses to overwrite; in one that does not, what was overwritten is put again.
  assert(await race(5, noApi) > 0);
  const refused = await race(3, async (request, answer) => {
    const headers = new Headers(request.headers);
    headers.delete("if-match");
    headers.delete("if-none-match");
    return await noApi(
      request,
      () => answer(new Request(request, { headers })),
    );
  });
  assertEquals(refused, 0);
});

Deno.test("push() changes the referrers' tag only as it was read", async () => {
  const conditions: (string | null)[] = [];
  await using faulty = startFaulty((request, answer) => {
    if (request.method === "PUT" && request.url.endsWith(tag)) {
      conditions.push(
        request.headers.get("if-match") ?? request.headers.get("if-none-match"),
      );
    }
    return noApi(request, answer);
  });
  const { host, client } = faulty;
  for (const seed of [2, 3]) {
    const image = testImage({ seed, subject: subject.descriptor });
    await push(image, `${host}/app:${seed}`, { client });
  }
  assertEquals(conditions[0], "*");
  assert(/^"sha256:[0-9a-f]{64}"$/.test(conditions[1]!));
  const [head] = await Array.fromAsync(
    listReferrers(`${host}/app@${subject.descriptor.digest}`, { client }),
  );
  assertEquals(head?.mediaType, MediaType.Manifest);
});

Deno.test("push() changes the referrers' tag of the registry, not what a mirror kept of it", async () => {
  await using mirror = startFaulty(noApi);
  await using origin = startFaulty(noApi);
  const images = [2, 3].map((seed) =>
    testImage({ seed, subject: subject.descriptor })
  );
  const [first, second] = images as [typeof subject, typeof subject];
  const names = [mirror, origin].map(({ host }) => `http://${host}/v2/`);
  using client = new RegistryClient({
    hosts: () => [
      { url: names[0]!, capabilities: ["pull", "resolve", "referrers"] },
      { url: names[1]! },
    ],
    retry: { attempts: 2, delay: 1 },
  });
  // The mirror kept a list that names the second already: the registry's does not.
  await push(second, `${mirror.host}/app:2`, { client: mirror.client });
  await push(first, `${origin.host}/app:1`, { client: origin.client });
  await push(second, "registry.example/app:2", { client });
  const found = await Array.fromAsync(
    listReferrers(`${origin.host}/app@${subject.descriptor.digest}`, {
      client: origin.client,
    }),
  );
  assertEquals(
    found.map(({ digest }) => digest),
    images.map(({ descriptor }) => descriptor.digest),
  );
});
