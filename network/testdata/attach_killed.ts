// deno-lint-ignore-file no-console
/** `attach_killed.ts STEP OPTIONS` attaches a namespace of its own, and kills itself when the signal is looked at for the STEP-th time, or prints how often that was. */
import { attach, NetNs } from "@containerkit/network";

const [step = "", options = ""] = Deno.args;
let looks = 0;
const { signal } = new AbortController();
Object.defineProperty(signal, "throwIfAborted", {
  value() {
    if (++looks === Number(step)) Deno.kill(Deno.pid, "SIGKILL");
  },
});
using netns = NetNs.create();
{
  await using _attachment = await attach(netns, {
    ...JSON.parse(options),
    signal,
  });
}
console.log(looks);
