import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { fcntl, FcntlCommand, Fd, pipe, write } from "@containerkit/libc";
import { testIf } from "../tests/mod.ts";
import { openStdio } from "./_stdio.ts";
import { pipeChannel } from "./_streams.ts";

const NOT_LINUX = Deno.build.os === "linux" ? undefined : "not Linux";

testIf(
  NOT_LINUX,
  "pipeChannel() ends what was at its end before anybody read, empty or not",
  async () => {
    for (const text of ["", "some"]) {
      for (const pause of [0, 20]) {
        const [reader, writer] = pipe();
        if (text !== "") write(writer, new TextEncoder().encode(text));
        writer.close();
        const channel = pipeChannel(reader, "read");
        await new Promise((resolve) => setTimeout(resolve, pause));
        const read = await new Response(channel.readable).text();
        assertEquals(read, text, `${pause}`);
        channel.close();
      }
    }
  },
);

testIf(
  NOT_LINUX,
  "pipeChannel() that is closed takes no more, and its input closes at once",
  async () => {
    const [reader, writer] = pipe();
    using _reader = reader;
    const channel = pipeChannel(writer, "write");
    const input = channel.writable.getWriter();
    await input.write(new TextEncoder().encode("some"));
    channel.close();
    await input.close();
    const [, other] = pipe();
    const closed = pipeChannel(other, "write");
    closed.close();
    await assertRejects(
      () => closed.writable.getWriter().write(new Uint8Array(1)),
      Deno.errors.BrokenPipe,
    );
  },
);

testIf(
  NOT_LINUX,
  "pipeChannel() tells by BrokenPipe that nobody reads, or that it was closed while it wrote",
  async () => {
    for (const ends of ["reader", "channel"]) {
      const [reader, writer] = pipe();
      using _reader = reader;
      const channel = pipeChannel(writer, "write");
      const input = channel.writable.getWriter();
      const closed = assertRejects(() => input.closed, Deno.errors.BrokenPipe);
      const written = assertRejects(
        () => input.write(new Uint8Array(1024 * 1024)),
        Deno.errors.BrokenPipe,
        "Cannot write to the standard input",
      );
      await new Promise((resolve) => setTimeout(resolve));
      if (ends === "reader") reader.close();
      else channel.close();
      const error = await written;
      assertEquals(error.cause, undefined);
      await closed;
      channel.close();
    }
  },
);

testIf(
  NOT_LINUX,
  "openStdio() makes pipes of a size, and names one that no pipe has",
  () => {
    const open = (pipeSize: number) =>
      openStdio({ stdout: "piped", stderr: "null", pipeSize }, "/no/such");
    using stdio = open(8192);
    const stdout = new Fd(Number(stdio.child[1]));
    assertEquals(fcntl(stdout, FcntlCommand.GETPIPE_SZ), 8192);
    stdout.release();
    for (const size of [0, -1, 1.5, NaN, 2 ** 40]) {
      assertThrows(() => open(size), RangeError, `a pipe of ${size} bytes`);
    }
  },
);
