/**
 * Proving credentials.
 *
 * @module
 */

import type { Credentials } from "./credentials.ts";
import { RegistryClient } from "./registry_client.ts";
import type { RegistryClientOptions } from "./registry_client_options.ts";

/** Options of {@linkcode login}. */
export interface LoginOptions
  extends Omit<RegistryClientOptions, "credentials"> {
  /** Ends the call. */
  readonly signal?: AbortSignal;
}

/**
 * Proves credentials to a registry.
 *
 * Requires `--allow-net`.
 *
 * @param registry Such as `docker.io` or `localhost:5000`.
 * @param credentials What was typed in.
 * @param options As of a client.
 * @returns What to keep: the token that stands for the password where the registry gave one, else what was given.
 * @throws {RegistryError} If the registry refuses them.
 *
 * @example Usage
 * ```ts ignore
 * import { credentialFiles, login } from "@containerkit/distribution";
 *
 * const store = credentialFiles(["/root/.docker/config.json"]);
 * await store.set("quay.io", await login("quay.io", { username, password }));
 * ```
 */
export async function login(
  registry: string,
  credentials: Credentials,
  options: LoginOptions = {},
): Promise<Credentials> {
  const { signal, ...clientOptions } = options;
  using client = new RegistryClient({
    ...clientOptions,
    // A mirror is another registry: what it asks for is not told.
    credentials: (asked) =>
      asked.registry === registry ? credentials : undefined,
  });
  const { response } = await client.request(registry, {
    action: `log in to "${registry}"`,
    path: "",
    // Mirrors seldom have it, and one that lets anybody read would prove nothing.
    capability: "push",
    offline: true,
    ...(signal === undefined ? {} : { signal }),
  });
  await response.body?.cancel();
  const identityToken = await client.refreshToken(registry);
  return identityToken === undefined ? credentials : { identityToken };
}
