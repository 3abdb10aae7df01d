import type { Bundle } from "./_bundle.ts";
import type { Runtime } from "./runtime.ts";

const LABEL = "bundle=";

/** Whether the runtime has a container of that id of another bundle, as folders may share its root. */
export async function isAnothers(
  runtime: Runtime,
  bundle: Bundle,
): Promise<boolean> {
  try {
    const path = await bundlePath(runtime, bundle.id);
    const [its, ours] = [path, bundle.path].map((at) => Deno.statSync(at));
    return its!.ino !== ours!.ino || its!.dev !== ours!.dev;
  } catch {
    return false; // There is none, or half of one.
  }
}

/** The bundle of a container that a runtime has, for which runc need not be called. */
async function bundlePath(
  { options, state }: Runtime,
  id: string,
): Promise<string> {
  if (options.flavor !== "runc" || !options.native) {
    return (await state(id)).bundle;
  }
  const text = Deno.readTextFileSync(`${options.root}/${id}/state.json`);
  const labels: string[] = JSON.parse(text).config.labels;
  return labels.find((label) => label.startsWith(LABEL))!.slice(LABEL.length);
}
