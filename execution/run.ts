/**
 * Running containers.
 *
 * @module
 */

import type { Container } from "./container.ts";
import { create, type CreateOptions } from "./create.ts";
import type { Spec } from "./spec.ts";

/**
 * Makes a container and starts its program.
 *
 * @param id Its id: letters, digits, `_`, `+`, `-` and `.`, at most 76.
 * @param spec Its configuration, as {@linkcode createSpec} makes it.
 * @param options Where it is kept, what runs it, its standard input and output.
 * @returns The container, shaped like `Deno.ChildProcess`; disposing it kills and deletes it.
 * @throws {TypeError} If the id is not fine, or a compiled program does not say what its monitor is.
 * @throws {SpecError} If the configuration breaks a rule.
 * @throws {RuntimeError} If the id is taken, the program cannot be run, or the runtime refuses for another reason.
 *
 * @see https://github.com/opencontainers/runtime-spec/blob/main/runtime.md#lifecycle
 *
 * @example Usage
 * ```ts ignore
 * import { createSpec, run } from "@containerkit/execution";
 *
 * const spec = await createSpec({}, { rootfs: "/rootfs", args: ["echo", "hi"] });
 * await using container = await run("web", spec, { stdout: "piped" });
 * console.log(await new Response(container.stdout).text());
 * console.log((await container.status).code);
 * ```
 */
export async function run(
  id: string,
  spec: Spec,
  options: CreateOptions = {},
): Promise<Container> {
  const container = await create(id, spec, options);
  try {
    await container.start(
      options.signal === undefined ? {} : { signal: options.signal },
    );
    // The last of a start is not called off.
    options.signal?.throwIfAborted();
    return container;
  } catch (error) {
    await container[Symbol.asyncDispose]();
    throw error;
  }
}
