/// <reference lib="deno.worker" />
/** Runs further processes in a container that another thread of the program holds, and tells how they ended. */
import { exec } from "../mod.ts";

self.onmessage = async ({ data: { state, count } }) => {
  const codes: number[] = [];
  for (let index = 0; index < count; index++) {
    await using process = await exec(
      { id: "orphans" },
      ["sh", "-c", "exit 7"],
      {
        state,
        stdout: "null",
        stderr: "null",
      },
    );
    codes.push((await process.status).code);
  }
  self.postMessage(codes);
};
