/**
 * Network namespaces, links, addresses, routes and NAT by netlink.
 *
 * @module
 */

export {};
