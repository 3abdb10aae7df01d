// deno-lint-ignore-file no-console
/** Pulls an image and prints the most memory it took, in bytes. */
import { openStore } from "@containerkit/content";
import { pull } from "@containerkit/distribution";

const [reference, root] = Deno.args as [string, string];
{
  using store = await openStore({ root });
  await pull(reference, store);
}
const status = Deno.readTextFileSync("/proc/self/status");
console.log(Number(/VmHWM:\s+(\d+)/.exec(status)![1]) * 1024);
