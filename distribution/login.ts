/**
 * Proving credentials.
 *
 * @module
 */

import { isOrigin } from "./_origin.ts";
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
 * Proves credentials to a registry: to the server that is the registry itself, whatever its name is, and to no mirror.
 *
 * Requires `--allow-net`.
 *
 * @param registry Such as `docker.io` or `localhost:5000`.
 * @param credentials What was typed in.
 * @param options As of a client.
 * @returns What to keep: the token that stands for the password where the registry gave one, else what was given.
 * @throws {RegistryError} If the registry refuses them.
 * @throws {TypeError} If `hosts` has mirrors only.
 * @throws {SyntaxError} If the registry is none, such as a URL.
 *
 * @see https://distribution.github.io/distribution/spec/auth/token/
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
  const hosts = await options.hosts?.(registry);
  const server = hosts?.find((host) => isOrigin(registry, host));
  if (hosts !== undefined && server === undefined) {
    throw new TypeError(
      `Cannot log in to "${registry}": its hosts are mirrors only`,
    );
  }
  using client = new RegistryClient({
    ...clientOptions,
    credentials: () => credentials,
    // A mirror is another registry: what this one asks for is not told to it, and one that lets anybody read would prove nothing.
    hosts: () => server === undefined ? undefined : [server],
  });
  const { response } = await client.request(registry, {
    action: `log in to "${registry}"`,
    path: "",
    capability: server?.capabilities?.[0] ?? "push",
    offline: true,
    ...(signal === undefined ? {} : { signal }),
  });
  await response.body?.cancel();
  const identityToken = await client.refreshToken(registry);
  return identityToken === undefined ? credentials : { identityToken };
}
