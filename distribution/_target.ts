import { parseReference, type Reference } from "./parse_reference.ts";
import type { RegistryCallOptions } from "./registry_call_options.ts";
import { RegistryClient } from "./registry_client.ts";
import type { RegistryRequest } from "./registry_request.ts";

/** A repository and who asks it. */
export interface Target extends Reference {
  readonly client: RegistryClient;
  readonly signal?: AbortSignal;
}

/** Joins a reference and the options of a call. */
export function toTarget(
  reference: string | Reference,
  options: RegistryCallOptions,
): Target {
  const { client = new RegistryClient(), signal } = options;
  return {
    ...(typeof reference === "string" ? parseReference(reference) : reference),
    client,
    ...(signal === undefined ? {} : { signal }),
  };
}

/** What a tag or digest is called by in paths: the digest wins. */
export function nameOf(reference: Reference): string {
  return reference.digest ?? reference.tag ?? "latest";
}

/** The fields of a request that concern the repository of a target. */
export function requestFor(
  target: Target,
  path: string,
  actions: string,
): Pick<RegistryRequest, "path" | "repository" | "scopes" | "signal"> {
  return {
    path: `${target.repository}/${path}`,
    repository: target.repository,
    scopes: [`repository:${target.repository}:${actions}`],
    ...(target.signal === undefined ? {} : { signal: target.signal }),
  };
}
