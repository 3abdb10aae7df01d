/**
 * Further processes of a container.
 *
 * @module
 */

import { STATE } from "./_bundle.ts";
import type { ContainerProcess } from "./container_process.ts";
import type { ExecOptions } from "./exec_options.ts";
import { findContainer } from "./_find_container.ts";
import { startExec } from "./_start_exec.ts";

/**
 * Starts a further process in a container that runs, of this or another program.
 *
 * @param container The container, or its id in an object.
 * @param args The program and its arguments.
 * @param options How it runs and where its standard input and output go.
 * @returns The process; disposing it kills it.
 * @throws {RuntimeError} If there is no such container (`NotFound`), it has ended (`NotRunning`) or is paused (`Paused`), or there is no such program (`CommandNotFound`).
 * @throws {SpecError} If an argument, the environment or the folder it starts in is none, such as one with a NUL.
 * @throws {Deno.errors.NotFound} If the user does not exist.
 *
 * @example Usage
 * ```ts ignore
 * import { exec } from "@containerkit/execution";
 *
 * await using process = await exec({ id: "web" }, ["ps"], { stdout: "piped" });
 * console.log(new TextDecoder().decode((await process.output()).stdout));
 * ```
 */
export async function exec(
  container: { readonly id: string },
  args: readonly string[],
  options: ExecOptions = {},
): Promise<ContainerProcess> {
  const { bundle, record } = findContainer(
    options.state ?? STATE,
    container.id,
    "run a process in",
  );
  return await startExec(bundle, record, args, options);
}
