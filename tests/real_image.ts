import { program } from "./need.ts";
import { runProgram } from "./run_program.ts";

/** An OCI image layout that umoci made, with one image in it. */
export interface RealImage {
  /** The folder of the layout. */
  readonly layout: string;
  /** The name of the image in it. */
  readonly tag: string;
}

const BUSYBOX = "/bin/busybox";
const APPLETS = ["sh", "cat", "echo", "ls", "id", "ip", "wget", "sleep", "nc"];

/**
 * Makes an image with umoci: busybox below, and a layer above it that changes a
 * mode and an owner, sets xattrs, links, and deletes. Needs root, `need("umoci", "busybox")`.
 *
 * @param folder Where to work; the layout is `<folder>/layout`.
 */
export async function makeRealImage(folder: string): Promise<RealImage> {
  const umoci = program("umoci")!;
  const layout = `${folder}/layout`;
  const image = `${layout}:busybox`;
  const bundle = `${folder}/bundle`;
  const rootfs = `${bundle}/rootfs`;
  await runProgram(umoci, ["init", "--layout", layout]);
  await runProgram(umoci, ["new", "--image", image]);
  await runProgram(umoci, ["unpack", "--image", image, bundle]);
  for (const path of ["bin", "etc", "tmp", "var/log", "deep/er/and/deeper"]) {
    await Deno.mkdir(`${rootfs}/${path}`, { recursive: true });
  }
  await Deno.copyFile(BUSYBOX, `${rootfs}/bin/busybox`);
  for (const applet of APPLETS) {
    await Deno.symlink("busybox", `${rootfs}/bin/${applet}`);
  }
  await Deno.writeTextFile(
    `${rootfs}/etc/passwd`,
    "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n",
  );
  await Deno.writeTextFile(`${rootfs}/etc/group`, "root:x:0:\nuser:x:1000:\n");
  await Deno.writeTextFile(`${rootfs}/var/log/gone`, "deleted above");
  await Deno.writeTextFile(`${rootfs}/deep/er/file`, "replaced above");
  await Deno.chmod(`${rootfs}/tmp`, 0o1777);
  await runProgram(umoci, ["repack", "--image", image, bundle]);

  const second = `${folder}/bundle-2`;
  const upper = `${second}/rootfs`;
  await runProgram(umoci, ["unpack", "--image", image, second]);
  await Deno.remove(`${upper}/var/log/gone`);
  await Deno.remove(`${upper}/deep`, { recursive: true });
  await Deno.mkdir(`${upper}/deep/new`, { recursive: true });
  await Deno.writeTextFile(`${upper}/deep/new/file`, "new");
  await Deno.link(`${upper}/deep/new/file`, `${upper}/deep/hard`);
  await Deno.writeTextFile(`${upper}/etc/owned`, "owned", { mode: 0o640 });
  await Deno.chown(`${upper}/etc/owned`, 1000, 1000);
  await runProgram("setfattr", [
    "-n",
    "user.note",
    "-v",
    "kept",
    `${upper}/etc/owned`,
  ]);
  await runProgram("mknod", ["-m", "600", `${upper}/etc/pipe`, "p"]);
  await Deno.chmod(`${upper}/bin/busybox`, 0o4755);
  await runProgram(umoci, ["repack", "--image", image, second]);
  await runProgram(umoci, [
    "config",
    "--image",
    image,
    "--config.cmd",
    "/bin/sh",
    "--config.env",
    "PATH=/bin",
    "--config.workingdir",
    "/",
  ]);
  return { layout, tag: "busybox" };
}
