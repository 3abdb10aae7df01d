/**
 * Network namespaces, links, addresses, routes and NAT by netlink.
 *
 * ```ts ignore
 * import { attach, NetNs } from "@containerkit/network";
 *
 * using netns = NetNs.create();
 * await using eth0 = await attach(netns, {
 *   bridge: "ck0",
 *   address: "10.88.0.2/24",
 *   gateway: "10.88.0.1",
 * });
 * ```
 *
 * What is there can be asked without root:
 *
 * ```ts
 * import { listLinks, RouteSocket } from "@containerkit/network";
 * import { assert } from "@std/assert";
 *
 * using route = new RouteSocket();
 * const links = await route.request(listLinks());
 * assert(links.some(({ name }) => name === "lo"));
 * ```
 *
 * @module
 */

export * from "./address.ts";
export * from "./alt_name.ts";
export * from "./attach.ts";
export * from "./attach_options.ts";
export * from "./attachment.ts";
export * from "./confinement.ts";
export * from "./create_link.ts";
export * from "./delete_link.ts";
export * from "./detach.ts";
export * from "./dump_interrupted_error.ts";
export * from "./get_link.ts";
export * from "./ip.ts";
export * from "./link.ts";
export * from "./link_kind.ts";
export * from "./list_attachments.ts";
export * from "./list_links.ts";
export * from "./list_net_ns.ts";
export * from "./mac.ts";
export * from "./message_writer.ts";
export * from "./nat_entries.ts";
export * from "./nat_table.ts";
export * from "./nat_table_options.ts";
export * from "./neighbor.ts";
export * from "./neighbor_spec.ts";
export * from "./net_ns.ts";
export * from "./netlink_error.ts";
export * from "./netns_id.ts";
export * from "./next_hop.ts";
export * from "./nft_batch.ts";
export * from "./nft_expression.ts";
export * from "./nft_list.ts";
export * from "./nft_monitor.ts";
export * from "./nft_socket.ts";
export * from "./nft_types.ts";
export * from "./parse_attributes.ts";
export * from "./parse_messages.ts";
export * from "./parse_route.ts";
export * from "./port_in_use_error.ts";
export * from "./port_vlan.ts";
export * from "./prefix.ts";
export * from "./private_networks.ts";
export * from "./prune_attachments.ts";
export * from "./published_port.ts";
export * from "./remove_net_ns.ts";
export * from "./route.ts";
export * from "./route_batch_error.ts";
export * from "./route_monitor.ts";
export * from "./route_request.ts";
export * from "./route_socket.ts";
export * from "./route_spec.ts";
export * from "./rule.ts";
export * from "./set_link.ts";
export * from "./sysctl.ts";
