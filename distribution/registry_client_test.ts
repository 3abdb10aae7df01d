import { assert, assertEquals } from "@std/assert";
import { refuseForeign, refuseTarget } from "./_address.ts";
import { parseChallenges } from "./_challenge.ts";
import { referrersTag } from "./_referrers_tag.ts";
import { readRetryAfter } from "./_retry.ts";
import { mergeScopes } from "./_scopes.ts";

Deno.test("parseChallenges() reads several challenges of one header", () => {
  const read = (header: string) =>
    parseChallenges(header).map(({ scheme, parameters }) => [
      scheme,
      Object.fromEntries(parameters),
    ]);
  assertEquals(
    read(
      'Bearer realm="https://a/t",service="s",scope="repository:a:pull,push"',
    ),
    [["bearer", {
      realm: "https://a/t",
      service: "s",
      scope: "repository:a:pull,push",
    }]],
  );
  assertEquals(read('BEARER Realm = "a" , Basic realm="b"'), [
    ["bearer", { realm: "a" }],
    ["basic", { realm: "b" }],
  ]);
  assertEquals(read('Negotiate, Basic realm=b, charset="UTF-8"'), [
    ["negotiate", {}],
    ["basic", { realm: "b", charset: "UTF-8" }],
  ]);
  assertEquals(read("Negotiate YII=, Basic"), [["negotiate", {}], [
    "basic",
    {},
  ]]);
  assertEquals(read('Bearer realm="a\\"b",realm="evil"'), [
    ["bearer", { realm: 'a"b' }],
  ]);
  assertEquals(read("Basic"), [["basic", {}]]);
  assertEquals(read(""), []);
});

Deno.test("parseChallenges() ends on anything, and soon", () => {
  const alphabet = 'Bearer realm="a",=\\ \tx"';
  let seed = 1;
  const random = (limit: number) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return seed % limit;
  };
  for (let round = 0; round < 3000; round++) {
    const text = Array.from(
      { length: random(40) },
      () => alphabet[random(alphabet.length)],
    ).join("");
    assert(parseChallenges(text).length <= text.length);
  }
  parseChallenges('Bearer realm="'.repeat(5000));
});

Deno.test("mergeScopes() joins actions by resource, the most rights first", () => {
  assertEquals(
    mergeScopes([
      "repository:b:pull",
      "repository:a:push,pull",
      "repository:b:pull",
      "repository:host:5000/c:pull",
    ]),
    [
      "repository:a:pull,push",
      "repository:b:pull",
      "repository:host:5000/c:pull",
    ],
  );
});

Deno.test("mergeScopes() leaves a scope that is no resource with actions as it is", () => {
  assertEquals(
    mergeScopes(["repository:a:pull", "aws", "aws", "registry:catalog:*"]),
    ["registry:catalog:*", "repository:a:pull", "aws"],
  );
});

Deno.test("readRetryAfter() reads seconds and dates", () => {
  const now = Date.UTC(2026, 0, 1);
  assertEquals(readRetryAfter("120", now), 120_000);
  assertEquals(
    readRetryAfter("Thu, 01 Jan 2026 00:00:05 GMT", now),
    5000,
  );
  assertEquals(readRetryAfter("Wed, 01 Jan 2025 00:00:05 GMT", now), 0);
  assertEquals(readRetryAfter("soon", now), undefined);
  assertEquals(readRetryAfter(null, now), undefined);
});

Deno.test("refuseTarget() lets no public server lead into a local network", async () => {
  const refuse = async (from: string, to: string) =>
    await refuseTarget(
      new URL(from),
      new URL(to),
      () => Promise.resolve(["192.0.2.1"]),
    ) !== undefined;
  for (
    const inside of [
      "https://127.0.0.1/",
      "https://0.0.0.0/",
      "https://localhost/",
      "https://localhost./",
      "https://10.1.2.3/",
      "https://172.20.0.1/",
      "https://192.168.0.1/",
      "https://169.254.169.254/latest/meta-data",
      "https://100.64.0.1/",
      "https://[::1]/",
      "https://[::]/",
      "https://[::127.0.0.1]/",
      "https://[64:ff9b:1::7f00:1]/",
      "https://[fd00::1]/",
      "https://[fe80::1]/",
      "https://[::ffff:127.0.0.1]/",
      "https://2130706433/",
      "https://0x7f.1/",
    ]
  ) assert(await refuse("https://registry.example/", inside), inside);
  assert(await refuse("https://registry.example/", "http://registry.example/"));
  for (
    const outside of [
      "https://storage.example/",
      "https://172.32.0.1/",
      "https://[2001:db8::1]/",
    ]
  ) assert(!await refuse("https://registry.example/", outside), outside);
});

Deno.test("refuseTarget() lets a local network's server lead into it, but no nearer", async () => {
  const refuse = async (from: string, to: string) =>
    await refuseTarget(new URL(`http://${from}/`), new URL(`http://${to}/`)) !==
      undefined;
  for (
    const [from, to] of [
      ["10.0.0.1", "127.0.0.1"],
      ["10.0.0.1", "localhost:8080"],
      ["10.0.0.1", "169.254.169.254"],
      ["[fd00::1]", "[fe80::1]"],
      ["127.0.0.1:5000", "169.254.169.254"],
      ["127.0.0.1:5000", "[::ffff:169.254.169.254]"],
      ["169.254.1.1", "169.254.169.254"],
    ] as const
  ) assert(await refuse(from, to), `${from} ${to}`);
  for (
    const [from, to] of [
      ["10.0.0.1:5000", "10.0.0.2"],
      ["10.0.0.1", "[fd00::1]"],
      ["localhost:5000", "127.0.0.1:5001"],
      ["127.0.0.1:5000", "10.0.0.1"],
      ["169.254.1.1", "169.254.1.1:8080"],
    ] as const
  ) assert(!await refuse(from, to), `${from} ${to}`);
});

Deno.test("refuseTarget() lets a name of a local network lead into it, but no nearer", async () => {
  const refuse = async (
    addresses: readonly string[],
    to: string,
    from = "registry.corp.example",
  ) => {
    const asked: string[] = [];
    const find = (name: string) => {
      asked.push(name);
      return addresses.length === 0
        ? Promise.reject(new Error("unknown"))
        : Promise.resolve(addresses);
    };
    const why = await refuseTarget(
      new URL(`http://${from}/`),
      new URL(`http://${to}/`),
      find,
    );
    // No more is asked than decides.
    assertEquals(asked, to.startsWith("10.") ? [from] : []);
    return why !== undefined;
  };
  for (const inside of [["10.0.0.1"], ["fd00::1", "10.1.2.3"], ["127.0.1.1"]]) {
    assert(!await refuse(inside, "10.0.0.5:9000"), `${inside}`);
    assert(await refuse(inside, "127.0.0.1:9000"), `${inside}`);
    assert(await refuse(inside, "169.254.169.254"), `${inside}`);
    assert(!await refuse(inside, "storage.example"), `${inside}`);
  }
  for (
    const outside of [
      ["192.0.2.1"],
      ["10.0.0.1", "192.0.2.1"],
      ["2001:db8::1"],
      ["169.254.1.1"],
      [],
    ]
  ) assert(await refuse(outside, "10.0.0.5:9000"), `${outside}`);
});

Deno.test("refuseForeign() takes the registry's own address, and public ones", async () => {
  const refuse = async (from: string, to: string) =>
    await refuseForeign(
      new URL(`http://${from}/`),
      new URL(`http://${to}/`),
    ) !==
      undefined;
  for (
    const [from, to] of [
      ["10.0.0.1:5000", "10.0.0.2"],
      ["10.0.0.1:5000", "127.0.0.1"],
      ["10.0.0.1:5000", "169.254.169.254"],
      ["127.0.0.1:5000", "10.0.0.1"],
      ["127.0.0.1:5000", "localhost:8080"],
      ["127.0.0.1:5000", "169.254.169.254"],
      ["registry.example", "10.0.0.1"],
    ] as const
  ) assert(await refuse(from, to), `${from} ${to}`);
  for (
    const [from, to] of [
      ["10.0.0.1:5000", "10.0.0.1:8080"],
      ["127.0.0.1:5000", "127.0.0.1:8080"],
      ["169.254.1.1", "169.254.1.1:8080"],
      ["10.0.0.1:5000", "storage.example"],
    ] as const
  ) assert(!await refuse(from, to), `${from} ${to}`);
});

Deno.test("referrersTag() cuts a sha512 digest to a tag that is allowed", () => {
  assertEquals(
    referrersTag(`sha256:${"a".repeat(64)}`),
    `sha256-${"a".repeat(64)}`,
  );
  assertEquals(
    referrersTag(`sha512:${"b".repeat(128)}`),
    `sha512-${"b".repeat(64)}`,
  );
  assertEquals(referrersTag("a+b:c=d"), "a-b-c-d");
});
