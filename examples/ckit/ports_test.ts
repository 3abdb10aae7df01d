import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "./command.ts";
import { parsePort } from "./ports.ts";

Deno.test("parsePort() reads every form", () => {
  const port = (text: string) => {
    const { hostAddress, hostPort, targetPort, protocol, count } = parsePort(
      text,
    );
    return [hostAddress, hostPort, targetPort, protocol, count];
  };
  assertEquals(port("8080:80"), ["0.0.0.0", 8080, 80, "tcp", 1]);
  assertEquals(port("127.0.0.1:53:53/udp"), ["127.0.0.1", 53, 53, "udp", 1]);
  assertEquals(port("[::1]:8000-8009:9000/TCP"), [
    "::1",
    8000,
    9000,
    "tcp",
    10,
  ]);
  assertEquals(port("8000-8009:9000-9009"), [
    "0.0.0.0",
    8000,
    9000,
    "tcp",
    10,
  ]);
});

Deno.test("parsePort() refuses what it does not know", () => {
  for (
    const bad of [
      "",
      "80",
      "a:b",
      "80:80/icmp",
      "::1:80:80",
      "90-80:1",
      "80-89:80-90",
    ]
  ) {
    assertThrows(() => parsePort(bad), UsageError, "Cannot publish");
  }
});
