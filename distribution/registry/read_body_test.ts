import { assert, assertEquals, assertRejects } from "@std/assert";
import { ApiError } from "./_api_error.ts";
import { readBody } from "./_read_body.ts";

function requestOf(body: ReadableStream<Uint8Array<ArrayBuffer>>): Request {
  return new Request("http://127.0.0.1/", { method: "PATCH", body });
}

Deno.test("readBody() asks for little at once and gives it in pieces", async () => {
  const bytes = new Uint8Array(3_000_000).map((_, at) => at % 251);
  let asked = 0;
  let at = 0;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    type: "bytes",
    pull(controller) {
      const { byobRequest } = controller as ReadableByteStreamController;
      const view = byobRequest!.view as Uint8Array<ArrayBuffer>;
      asked = Math.max(asked, view.length);
      const part = bytes.subarray(at, at + view.length);
      at += part.length;
      view.set(part);
      if (part.length === 0) controller.close();
      byobRequest!.respond(part.length);
    },
  });
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of readBody(requestOf(body))) {
    pieces.push(piece.slice());
  }
  assert(asked <= 32 * 1024 + 8, `${asked} bytes were asked for`);
  assertEquals(pieces.length, 3);
  assertEquals(await new Blob(pieces).bytes(), bytes);
});

Deno.test("readBody() gives what came before a break, then says so", async () => {
  const parts = [new Uint8Array(10).fill(1), new Uint8Array(2 << 20).fill(2)];
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const part = parts.shift();
      if (part === undefined) controller.error(new Error("gone"));
      else controller.enqueue(part);
    },
  });
  const sizes: number[] = [];
  const error = await assertRejects(async () => {
    for await (const piece of readBody(requestOf(body))) {
      sizes.push(piece.length);
    }
  }, ApiError);
  assertEquals(error.code, "SIZE_INVALID");
  assertEquals(sizes, [10, 2 << 20]);
});

Deno.test("readBody() gives what came before a break of a body that is read into memory that is given", async () => {
  let at = 0;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    type: "bytes",
    pull(controller) {
      if (++at > 3) throw new Error("gone");
      const { byobRequest } = controller as ReadableByteStreamController;
      const view = byobRequest!.view as Uint8Array<ArrayBuffer>;
      view.fill(at);
      byobRequest!.respond(100);
    },
  });
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const error = await assertRejects(async () => {
    for await (const piece of readBody(requestOf(body))) {
      pieces.push(piece.slice());
    }
  }, ApiError);
  assertEquals(error.code, "SIZE_INVALID");
  const whole = await new Blob(pieces).bytes();
  assertEquals(whole, new Uint8Array(300).map((_, i) => 1 + i / 100));
});
