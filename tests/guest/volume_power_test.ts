// What a power cut leaves of volumes that are made and removed all the time.
import { assert, assertEquals } from "@std/assert";
import { program } from "../need.ts";
import { runProgram } from "../run_program.ts";
import { testIf } from "../test_if.ts";
import { guestScript } from "./guest_test_case.ts";

const CUTS = 4;

async function cutPower(
  boot: Parameters<Parameters<typeof guestScript>[2]>[0],
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const disk = `${folder}/disk`;
    const disks = [disk];
    for (let cut = 0; cut < CUTS; cut++) {
      await runProgram("truncate", ["-s", "64M", disk]);
      await runProgram(program("mkfs.ext4")!, ["-q", "-F", disk]);
      const run = (what: string) =>
        `mkdir -p /mnt && mount /dev/vdb /mnt && deno run -A --no-check tests/guest/_volume_writer.ts /mnt/lib ${what}`;
      const made = new Set<number>();
      const removed = new Set<number>();
      const end = 20 + Math.floor(Math.random() * 40);
      await boot({
        disks,
        command: run("write"),
        onLine(line, guest) {
          const [, what, number] = /^(made|removed) (\d+)$/.exec(line) ?? [];
          if (what === "made") made.add(Number(number));
          if (what === "removed") removed.add(Number(number));
          if (made.size === end) guest.cut();
        },
      });
      assert(made.size >= end);
      const output = await boot({ disks, command: run("look") });
      const [, json] = /^found (.*)$/m.exec(output)!;
      const found: { number: number; isWhole: boolean }[] = JSON.parse(json!);
      const numbers = new Set(found.map(({ number }) => number));
      // What was being removed when the power went may be there or not.
      const unsure = Math.max(...made) - 1;
      const lost = [...made].filter((number) =>
        number !== unsure && !removed.has(number) && !numbers.has(number)
      );
      assertEquals(lost, []);
      assertEquals([...removed].filter((number) => numbers.has(number)), []);
      assertEquals(found.filter(({ isWhole }) => !isWhole), []);
      const [, folders, trash] = /^folders (\d+) trash (\d+)$/m.exec(output)!;
      assertEquals([Number(folders), Number(trash)], [found.length, 0]);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const NAME = `volumes survive ${CUTS} power cuts`;
// Each takes some 20 seconds.
if (Deno.env.has("CONTAINERKIT_LONG")) guestScript(NAME, "uml", cutPower);
else testIf("long form", NAME, () => {});
