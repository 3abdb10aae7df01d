import type { CgroupReader } from "./_cgroup_reader.ts";
import type { InterfaceMetrics } from "./container_metrics.ts";

/** `eth0: 1 2 3 4 ...`: eight numbers in, eight out. */
export function interfaces(
  reader: CgroupReader,
  pid: number,
): InterfaceMetrics[] | undefined {
  const text = reader.allText(`/proc/${pid}/net/dev`);
  return text?.split("\n").slice(2).filter(Boolean).map((line) => {
    const [name = "", rest = ""] = line.split(":");
    const numbers = rest.trim().split(/\s+/).map(Number);
    const at = (index: number) => numbers[index] ?? 0;
    return {
      name: name.trim(),
      receivedBytes: at(0),
      receivedPackets: at(1),
      receiveErrors: at(2) + at(3),
      sentBytes: at(8),
      sentPackets: at(9),
      sendErrors: at(10) + at(11),
    };
  });
}

/** Whether a process has another network than this one. */
export function ownNetwork(pid: number): boolean {
  try {
    return Deno.readLinkSync(`/proc/${pid}/ns/net`) !==
      Deno.readLinkSync("/proc/self/ns/net");
  } catch {
    return false;
  }
}
