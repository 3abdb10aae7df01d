import type { VolumeDriver } from "./_driver.ts";
import { filesystemUsage } from "./_filesystem_usage.ts";
import { runProgram } from "./_run_program.ts";

function limits(
  { size, inodes }: { size?: number | undefined; inodes?: number | undefined },
): string[] {
  return [
    ...(size === undefined ? [] : [`size=${size}`]),
    ...(inodes === undefined ? [] : [`nr_inodes=${inodes}`]),
  ];
}

/** Memory: there from its making to the end of the boot, then empty again. */
export const tmpfsDriver: VolumeDriver = {
  kind: "tmpfs",
  staging: "boot",
  check() {},
  create: () => Promise.resolve(),
  mounts({ row }) {
    const { owner, mode } = row.options;
    return [{
      type: "raw",
      fstype: "tmpfs",
      source: "tmpfs",
      options: [
        ...limits(row),
        `mode=${mode.toString(8)}`,
        `uid=${owner.uid}`,
        `gid=${owner.gid}`,
      ],
    }];
  },
  usage: ({ staged }) => filesystemUsage(staged!),
  async resize({ row, staged }, wanted) {
    await runProgram(`resize volume "${row.name}"`, "mount", [
      "-o",
      ["remount", ...limits(wanted)].join(","),
      staged!,
    ]);
  },
};
