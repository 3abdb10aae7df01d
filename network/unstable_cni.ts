/**
 * Running CNI plugins, as the Container Network Interface 1.1 describes; see
 * {@link https://www.cni.dev/docs/spec/ | the specification}.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @module
 */

export * from "./unstable_cni/add_to_network.ts";
export * from "./unstable_cni/check_network.ts";
export * from "./unstable_cni/cni_cache_error.ts";
export * from "./unstable_cni/cni_error.ts";
export * from "./unstable_cni/cni_types.ts";
export * from "./unstable_cni/collect_network.ts";
export * from "./unstable_cni/network_status.ts";
export * from "./unstable_cni/parse_cni_network.ts";
export * from "./unstable_cni/plugin_versions.ts";
export * from "./unstable_cni/remove_from_network.ts";
