/**
 * Devices of the host for a container.
 *
 * @module
 */

import type { SpecDevice, SpecDeviceRule } from "./spec_linux.ts";

/** A device of the host, or a folder of them. */
export interface DeviceRequest {
  /** Path on the host; links are followed. */
  readonly path: string;
  /** Path in the container; the same by default. */
  readonly destination?: string;
  /**
   * Of read, write and mknod.
   *
   * @default {"rwm"}
   */
  readonly access?: string;
}

/** Device files to make, and the rules that let the container use them. */
export interface HostDevices {
  /** For `linux.devices`. */
  readonly devices: SpecDevice[];
  /** For `linux.resources.devices`. */
  readonly rules: SpecDeviceRule[];
}

/** Kept out of folders: each terminal belongs to one filesystem, and the runtime makes the others itself. */
const SKIPPED = new Set([
  "pts",
  "shm",
  "fd",
  "mqueue",
  ".lxc",
  ".lxd-mounts",
  ".udev",
  "console",
]);

/** glibc's gnu_dev_major(3) and gnu_dev_minor(3). */
function majorMinor(rdev: number): { major: number; minor: number } {
  const device = BigInt(rdev);
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)),
    minor: Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n)),
  };
}

async function* find(
  path: string,
  destination: string,
  strict: boolean,
): AsyncIterable<SpecDevice> {
  const info = await Deno.stat(path);
  if (info.isDirectory) {
    for await (const { name } of Deno.readDir(path)) {
      if (SKIPPED.has(name)) continue;
      const { isSymlink } = await Deno.lstat(`${path}/${name}`);
      if (isSymlink) continue;
      yield* find(`${path}/${name}`, `${destination}/${name}`, false);
    }
    return;
  }
  if (!info.isCharDevice && !info.isBlockDevice) {
    if (!strict) return;
    throw new TypeError(
      `Cannot show the device "${path}": it is neither a device nor a folder`,
    );
  }
  yield {
    path: destination,
    type: info.isCharDevice ? "c" : "b",
    ...majorMinor(info.rdev ?? 0),
    fileMode: (info.mode ?? 0o600) & 0o777,
    uid: info.uid ?? 0,
    gid: info.gid ?? 0,
  };
}

/**
 * Looks up devices of the host.
 *
 * @param requests Paths of devices or folders of devices.
 * @returns What goes into the configuration of a container.
 * @throws {Deno.errors.NotFound} If a path does not exist.
 * @throws {TypeError} If a path is neither a device nor a folder, or an access not made of `r`, `w` and `m`.
 *
 * @see https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#devices
 *
 * @example Usage
 * ```ts
 * import { hostDevices } from "@containerkit/execution";
 * import { assertEquals } from "@std/assert";
 *
 * const { rules } = await hostDevices(["/dev/null"]);
 * assertEquals(rules, [{ allow: true, type: "c", major: 1, minor: 3, access: "rwm" }]);
 * ```
 */
export async function hostDevices(
  requests: readonly (string | DeviceRequest)[],
): Promise<HostDevices> {
  const devices: SpecDevice[] = [];
  const rules: SpecDeviceRule[] = [];
  for (const request of requests) {
    const { path, destination = path, access = "rwm" } =
      typeof request === "string" ? { path: request } : request;
    if (!/^[rwm]{1,3}$/.test(access)) {
      throw new TypeError(
        `Cannot give access "${access}" to "${path}": expected r, w and m`,
      );
    }
    for await (const device of find(path, destination, true)) {
      devices.push(device);
      rules.push({
        allow: true,
        type: device.type as "c" | "b",
        major: device.major!,
        minor: device.minor!,
        access,
      });
    }
  }
  return { devices, rules };
}
