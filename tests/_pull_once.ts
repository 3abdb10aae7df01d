// deno-lint-ignore-file no-console
/** Pulls a reference into memory and prints its digest: `_pull_once.ts REFERENCE [CA]`. */
import { pull, RegistryClient } from "@containerkit/distribution";
import { createMemoryStore } from "@containerkit/distribution/registry";

const [reference, ca] = Deno.args as [string, string?];
using client = new RegistryClient(
  ca === undefined ? {} : { tls: { ca: [Deno.readTextFileSync(ca)] } },
);
const { descriptor } = await pull(reference, createMemoryStore(), { client });
console.log(descriptor.digest);
