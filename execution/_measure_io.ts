import type { CgroupReader } from "./_cgroup_reader.ts";
import type { Folder } from "./_cgroup_usage.ts";
import type { DeviceMetrics } from "./container_metrics.ts";

/**
 * `8:0 rbytes=1 wbytes=2 rios=3 wios=4 ...`. Linux 5.15 ends no line for a device
 * that did nothing: what follows its name is the next one's.
 */
export function ioV2(
  reader: CgroupReader,
  folder: Folder,
): DeviceMetrics[] | undefined {
  return reader.text(folder, "io.stat")?.split("\n").flatMap((line) => {
    const [, major, minor, fields = ""] = /(\d+):(\d+) ([^:]*)$/.exec(line) ??
      [];
    if (major === undefined) return []; // of a device that has gone
    const stat = Object.fromEntries(
      fields.split(" ").map((field) => field.split("=") as [string, string]),
    );
    return [{
      major: Number(major),
      minor: Number(minor),
      readBytes: Number(stat.rbytes ?? 0),
      writeBytes: Number(stat.wbytes ?? 0),
      reads: Number(stat.rios ?? 0),
      writes: Number(stat.wios ?? 0),
    }];
  });
}

const V1_FIELDS: Readonly<
  Record<string, Readonly<Record<string, keyof DeviceMetrics>>>
> = {
  "blkio.throttle.io_service_bytes_recursive": {
    Read: "readBytes",
    Write: "writeBytes",
  },
  "blkio.throttle.io_serviced_recursive": { Read: "reads", Write: "writes" },
};

/** `8:0 Read 123` */
export function ioV1(
  reader: CgroupReader,
  folder: Folder,
): DeviceMetrics[] | undefined {
  const devices = new Map<
    string,
    { -readonly [K in keyof DeviceMetrics]: DeviceMetrics[K] }
  >();
  for (const [file, fields] of Object.entries(V1_FIELDS)) {
    const text = reader.text(folder, file);
    if (text === undefined) return undefined;
    for (const line of text.split("\n")) {
      const [device = "", operation = "", value] = line.split(" ");
      const field = fields[operation];
      if (field === undefined) continue;
      const [major = 0, minor = 0] = device.split(":").map(Number);
      const entry = devices.get(device) ??
        {
          major,
          minor,
          readBytes: 0,
          writeBytes: 0,
          reads: 0,
          writes: 0,
        };
      entry[field] = Number(value);
      devices.set(device, entry);
    }
  }
  return [...devices.values()];
}
