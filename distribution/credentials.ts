/**
 * Who asks a registry.
 *
 * @module
 */

/** What proves who asks. Values never stand in errors or events. */
export type Credentials =
  | {
    /** The user. */
    readonly username: string;
    /** The password, or a personal access token. */
    readonly password: string;
  }
  | {
    /** A token that is exchanged for short-lived ones (an OAuth2 refresh token). */
    readonly identityToken: string;
  }
  | {
    /** A token that is sent to the registry as it is. */
    readonly registryToken: string;
  };

/**
 * Finds the credentials for a registry. What it gives is kept until a server refuses it: then it is asked once again, and
 * if that is something else, the request is sent again with it.
 *
 * @returns `undefined` to ask anonymously.
 */
export type CredentialSource = (
  target: {
    /** The registry, such as `docker.io` or `localhost:5000`; a mirror is asked for by its own name, the registry under another name by both. */
    readonly registry: string;
    /** The repository, where one is concerned. */
    readonly repository?: string;
  },
) => Promise<Credentials | undefined> | Credentials | undefined;
