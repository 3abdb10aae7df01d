import { program } from "./need.ts";

/** Programs that the tests of containers call. */
const APPLETS =
  "sh true false sleep echo cat ls ps head id stty tty kill env pwd dd yes seq tr wc touch mkdir mount hostname sort grep stat tail nc ip"
    .split(" ");

/** Makes a root filesystem of busybox in an empty folder. */
export function makeBusyboxRootfs(folder: string): void {
  const busybox = program("busybox");
  if (busybox === undefined) throw new Error("busybox is missing");
  for (const name of ["bin", "dev", "etc", "proc", "sys", "run", "tmp"]) {
    Deno.mkdirSync(`${folder}/${name}`, { recursive: true });
  }
  Deno.copyFileSync(busybox, `${folder}/bin/busybox`);
  for (const name of APPLETS) {
    Deno.symlinkSync("busybox", `${folder}/bin/${name}`);
  }
  Deno.writeTextFileSync(
    `${folder}/etc/passwd`,
    "root:x:0:0::/:/bin/sh\nweb:x:33:34::/:/bin/sh\n",
  );
  Deno.writeTextFileSync(
    `${folder}/etc/group`,
    "root:x:0:\nwww:x:34:\nlogs:x:50:web\n",
  );
}
