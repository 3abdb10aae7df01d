import { assertEquals, assertRejects } from "@std/assert";
import { hostsDirectory, parseHosts } from "./mod.ts";

const read = (text: string) =>
  parseHosts(text, {
    registry: "registry.example:5000",
    path: "h.toml",
    readFile: (path) => Promise.resolve(`content of ${path}`),
  });

Deno.test("parseHosts() reads every key, in the order of the file", async () => {
  assertEquals(
    await read(`
server = "https://own.example"
ca = "root.crt"
[host."https://first.example/prefix"]
capabilities = ["pull", "resolve"]
ca = ["a.crt", "b.crt"]
client = [["c.cert", "c.key"]]
dial_timeout = "1.5s"
[host."https://first.example/prefix".header]
x-one = "1"
x-two = ["2", "3"]
[host."http://second.example/v2"]
skip_verify = true
client = "both.pem"
[host."third.example/api"]
override_path = true
`),
    [
      {
        url: "https://first.example/prefix/v2/",
        capabilities: ["pull", "resolve"],
        headers: { "x-one": "1", "x-two": "2, 3" },
        tls: {
          ca: ["content of a.crt", "content of b.crt"],
          cert: "content of c.cert",
          key: "content of c.key",
        },
        timeout: 1500,
      },
      {
        url: "http://second.example/v2/",
        tls: {
          cert: "content of both.pem",
          key: "content of both.pem",
          skipVerify: true,
        },
      },
      { url: "https://third.example/api/" },
      {
        url: "https://own.example/v2/",
        isOrigin: true,
        tls: { ca: ["content of root.crt"] },
      },
    ],
  );
  assertEquals(await read(""), [{ url: "https://registry.example:5000/v2/" }]);
});

Deno.test("parseHosts() marks the server that has another name, and no mirror", async () => {
  const [first, second] = await read(`
server = "https://own.example"
[host."https://own.example"]
[host."https://mirror.example"]
`);
  assertEquals([first?.isOrigin, second?.isOrigin], [true, undefined]);
});

Deno.test("parseHosts() has this machine's registries by plain http, unless TLS is said", async () => {
  const mirror = '[host."https://mirror.example"]\n';
  for (
    const [registry, text, url] of [
      ["localhost:5000", mirror, "http://localhost:5000/v2/"],
      ["127.0.0.1:443", mirror, "http://127.0.0.1:443/v2/"],
      [
        "localhost:5000",
        `skip_verify = true\n${mirror}`,
        "https://localhost:5000/v2/",
      ],
      [
        "localhost:5000",
        `server = "localhost:5000"\n`,
        "https://localhost:5000/v2/",
      ],
      ["registry.example", mirror, "https://registry.example/v2/"],
    ] as const
  ) {
    const hosts = await parseHosts(text, {
      registry,
      readFile: () => Promise.reject(new Error("none is read")),
    });
    assertEquals(hosts.at(-1)!.url, url);
  }
});

Deno.test("hostsDirectory() takes no server of all registries for one of them", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (const name of ["_default", "known.example"]) {
      await Deno.mkdir(`${folder}/${name}`);
      await Deno.writeTextFile(
        `${folder}/${name}/hosts.toml`,
        'server = "https://proxy.example"\n',
      );
    }
    const find = hostsDirectory(folder);
    const url = "https://proxy.example/v2/";
    assertEquals(await find("known.example"), [{ url, isOrigin: true }]);
    assertEquals(await find("other.example"), [{ url }]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("parseHosts() takes a string of client as certificate and key in one file, and a pair as two", async () => {
  for (
    const [client, cert, key] of [
      ['"/f.pem"', "/f.pem", "/f.pem"],
      ['["/a.pem", "/b.pem"]', "/a.pem", "/a.pem"],
      ['[["/c.pem", "/k.pem"], ["/c2.pem", ""]]', "/c.pem", "/k.pem"],
      ['[["/c2.pem", ""], ["/c.pem", "/k.pem"]]', "/c2.pem", "/c2.pem"],
    ] as const
  ) {
    const [host] = await read(`client = ${client}`);
    assertEquals(host?.tls, {
      cert: `content of ${cert}`,
      key: `content of ${key}`,
    }, client);
  }
  await assertRejects(() => read("client = []"), SyntaxError, "names no file");
});

Deno.test("parseHosts() takes the durations that containerd does", async () => {
  for (
    const [text, timeout] of [
      ["200ms", 200],
      ["1m30s", 90_000],
      ["1h0.5m", 3_630_000],
      ["1500000us", 1500],
      ["0s", undefined],
    ] as const
  ) {
    const [host] = await read(`dial_timeout = "${text}"`);
    assertEquals(host?.timeout, timeout, text);
  }
  for (const text of ["", "5", "s", "5s ", "-5s", "5 s", "5d"]) {
    await assertRejects(
      () => read(`dial_timeout = "${text}"`),
      SyntaxError,
      "is no duration",
      text,
    );
  }
});

Deno.test("parseHosts() refuses what it does not know", async () => {
  for (
    const [text, why] of [
      [
        '[host."https://a"]\ncapabilites = ["pull"]',
        '"capabilites" is not known',
      ],
      ['[host."https://a"]\ncapabilities = ["fly"]', 'the capability "fly"'],
      ['[host."ftp://a"]', "is not a URL of http or https"],
      ['[host."https://a"]\nskip_verify = "yes"', "is not true or false"],
      ['[host."https://a"]\noverride_path = "yes"', "is not true or false"],
      ['[host."https://a"]\ndial_timeout = 5', "is no duration"],
      ['[host."https://a"]\nca = 1', "neither a string nor a list"],
      ["server = 1", '"server" is not a string'],
      ["host = 1", '"host" is not a table'],
      ["[host", "h.toml"],
      ["other = 1", '"other" is not known'],
    ] as const
  ) {
    await assertRejects(() => read(text), SyntaxError, why, text);
  }
});
