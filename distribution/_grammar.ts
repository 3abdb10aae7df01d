/** The grammar of names, shared by references and the embedded registry. */

const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";

/** A repository name, as the OCI distribution specification defines it. */
export const REPOSITORY_REGEXP = new RegExp(
  `^${COMPONENT}(?:/${COMPONENT})*$`,
);
/** A tag. */
export const TAG_REGEXP = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
/** A registry: a host name, an IPv4 address or an IPv6 address in brackets, and a port or none. */
export const REGISTRY_REGEXP =
  /^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?)*)(?::[0-9]{1,5})?$/;
