// deno-lint-ignore-file no-console
/**
 * A registry for this host that fetches from another what it does not have, and keeps it: what a CI runner puts between
 * its jobs and Docker Hub. Any client pulls from it: `docker pull localhost:5000/library/alpine:3`.
 *
 * `deno run --allow-net --allow-read --allow-write --allow-env --allow-run --allow-sys examples/mirror.ts docker.io /var/cache/mirror`
 */
import { openStore } from "@containerkit/content";
import {
  credentialFiles,
  credentialPaths,
  RegistryClient,
} from "@containerkit/distribution";
import {
  createFileIndex,
  createRegistry,
} from "@containerkit/distribution/registry";

const [upstream = "docker.io", root = "/var/cache/mirror", port = "5000"] =
  Deno.args;

using store = await openStore({ root });
// As whoever ran `docker login` here, which Docker Hub gives more.
const { get } = credentialFiles(credentialPaths(Deno.env.toObject()));
using client = new RegistryClient({ credentials: get });
const stop = new AbortController();
Deno.addSignalListener("SIGINT", () => stop.abort());
Deno.addSignalListener("SIGTERM", () => stop.abort());
await using registry = createRegistry({
  store,
  index: createFileIndex(`${root}/index`),
  upstream: { registry: upstream, client, signal: stop.signal },
  // What is here comes from the upstream alone.
  authorize: ({ action }) => action !== "push" && action !== "delete",
  onError: (error) => console.error(error),
});
const server = Deno.serve({
  hostname: "127.0.0.1",
  port: Number(port),
  signal: stop.signal,
  onListen: ({ hostname, port }) =>
    console.log(`${upstream} is served at ${hostname}:${port}`),
}, registry);
await server.finished;
