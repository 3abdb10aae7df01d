import { assertEquals } from "@std/assert";
import { attach, listAttachments, NetNs } from "@containerkit/network";
import { rootTest, tempDir } from "@containerkit/tests";
import type { Arguments, Context } from "../command.ts";
import { bridgeOf } from "../ipam.ts";
import { network } from "./network.ts";

const NO_ARGUMENTS: Arguments = {
  words: [],
  flag: () => false,
  string: () => undefined,
  list: () => [],
};

function contextOf(state: string, lines: string[]): Context {
  return {
    root: state,
    state,
    signal: new AbortController().signal,
    print: (line) => void lines.push(line),
    warn: (line) => void lines.push(line),
  };
}

/** What a command prints. */
async function run(name: string, state: string): Promise<string[]> {
  const lines: string[] = [];
  const command = network.find((one) => one.name === name)!;
  await command.run(NO_ARGUMENTS, contextOf(state, lines));
  return lines;
}

rootTest(
  "ckit network ls and prune see what is of their state folder",
  async () => {
    using temp = tempDir();
    using mine = NetNs.create();
    using others = NetNs.create();
    const bridge = bridgeOf(temp.path);
    const attachment = await attach(mine, {
      key: `${bridge}@gone`,
      bridge,
      address: "10.78.0.2/24",
      gateway: "10.78.0.1",
      forwarding: true,
      publish: [8082, 8080, 8081].map((hostPort) => ({
        hostAddress: "127.0.0.1",
        hostPort,
        targetPort: 80,
      })),
    });
    attachment.keep();
    await using _other = await attach(others, {
      key: "ckit-other@c",
      bridge: "ckt0",
      address: "10.77.0.2/24",
    });
    assertEquals(await run("network ls", temp.path), [
      `gone\t${bridge}\t${attachment.link}\t127.0.0.1:8080->80/tcp,127.0.0.1:8081->80/tcp,127.0.0.1:8082->80/tcp`,
    ]);
    assertEquals(await run("network prune", temp.path), [
      "gone",
      bridge,
    ]);
    assertEquals(await run("network ls", temp.path), []);
    assertEquals((await listAttachments()).map(({ key }) => key), [
      "ckit-other@c",
    ]);
  },
);
