/**
 * Who may do what.
 *
 * @module
 */

/** What a request to a registry wants to do. */
export interface RegistryAccess {
  /**
   * What it wants; `ping` is the question whether there is a registry, which clients ask to learn how to log in: some never do
   * where it is answered.
   */
  readonly action: "ping" | "pull" | "push" | "delete" | "catalog";
  /** The repository, where one is concerned. */
  readonly repository?: string;
  /** The user and password of the request, if it has some. */
  readonly credentials?: {
    /** The user. */
    readonly username: string;
    /** The password. */
    readonly password: string;
  };
  /** The bearer token of the request, if it has one. */
  readonly token?: string;
}
