/**
 * Where a registry is reached.
 *
 * @module
 */

/** What a host may be asked for. */
export type HostCapability = "pull" | "resolve" | "push" | "referrers";

/** How TLS is spoken with a host. */
export interface HostTls {
  /** Further certificate authorities, as PEM. */
  readonly ca?: readonly string[];
  /** The certificate to show, as PEM. */
  readonly cert?: string;
  /** Its key, as PEM. */
  readonly key?: string;
  /** Takes any certificate of this host. */
  readonly skipVerify?: boolean;
}

/** One server of a registry: itself, or a mirror. */
export interface RegistryHost {
  /** The base of its API, such as `https://mirror.example.com/v2/`. */
  readonly url: string;
  /**
   * It is the registry itself, whatever its name: where there are no credentials for its own name, it gets the registry's.
   *
   * @default {whether `url` has the registry's name}
   */
  readonly isOrigin?: boolean;
  /**
   * What it may be asked for.
   *
   * @default {all}
   */
  readonly capabilities?: readonly HostCapability[];
  /** Further headers; never sent to another origin. */
  readonly headers?: Readonly<Record<string, string>>;
  /** How TLS is spoken. */
  readonly tls?: HostTls;
  /** Longest time until a connection stands, in milliseconds; for an answer it is that of the client. */
  readonly timeout?: number;
}

/**
 * Finds the servers of a registry, in the order they are tried.
 *
 * @returns `undefined` for the registry itself only.
 */
export type HostSource = (
  registry: string,
) =>
  | Promise<readonly RegistryHost[] | undefined>
  | readonly RegistryHost[]
  | undefined;
