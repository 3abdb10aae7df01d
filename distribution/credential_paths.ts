/**
 * Where other programs keep credentials.
 *
 * @module
 */

/** The environment variables that {@linkcode credentialPaths} looks at. */
export interface CredentialEnvironment {
  /** Podman's file. */
  readonly REGISTRY_AUTH_FILE?: string | undefined;
  /** The folder of Docker's file. */
  readonly DOCKER_CONFIG?: string | undefined;
  /** Where Podman's file is until the machine stops. */
  readonly XDG_RUNTIME_DIR?: string | undefined;
  /** Where Podman's file is for longer. */
  readonly XDG_CONFIG_HOME?: string | undefined;
  /** The user's folder. */
  readonly HOME?: string | undefined;
}

/** Options of {@linkcode credentialPaths}. */
export interface CredentialPathsOptions {
  /** The user's number, such as `Deno.uid()`: without `XDG_RUNTIME_DIR`, as root often is, Podman's file is in a folder that has it in its name. */
  readonly uid?: number | null;
}

/**
 * Lists the files that Docker and Podman keep credentials in: Docker's first, as that is where `login` writes.
 *
 * @param environment Such as `Deno.env.toObject()`.
 * @param options Who the user is.
 * @returns Paths for `credentialFiles()`, whether they exist or not.
 *
 * @example Usage
 * ```ts
 * import { credentialPaths } from "@containerkit/distribution";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(credentialPaths({ HOME: "/root" }), [
 *   "/root/.docker/config.json",
 *   "/root/.config/containers/auth.json",
 * ]);
 * ```
 */
export function credentialPaths(
  environment: CredentialEnvironment,
  options: CredentialPathsOptions = {},
): string[] {
  const {
    REGISTRY_AUTH_FILE: own,
    DOCKER_CONFIG: docker,
    XDG_RUNTIME_DIR: runtime,
    XDG_CONFIG_HOME: config,
    HOME: home,
  } = environment;
  const { uid = null } = options;
  const paths = [
    own,
    docker ? `${docker}/config.json` : home && `${home}/.docker/config.json`,
    runtime
      ? `${runtime}/containers/auth.json`
      : uid === null
      ? undefined
      : `/run/containers/${uid}/auth.json`,
    config
      ? `${config}/containers/auth.json`
      : home && `${home}/.config/containers/auth.json`,
  ];
  return paths.filter((path) => path !== undefined && path !== "") as string[];
}
