import { assertEquals, assertRejects } from "@std/assert";
import { startFaulty } from "./_test_faults.ts";
import { testImage } from "./_test_image.ts";
import {
  deleteBlob,
  deleteManifest,
  deleteTag,
  listReferrers,
  listTags,
  pull,
  push,
  RegistryError,
} from "./mod.ts";
import { createMemoryStore } from "./registry/mod.ts";

Deno.test("deleteTag(), deleteManifest() and deleteBlob() take what they name, and say so of what is not there", async () => {
  await using faulty = startFaulty();
  const { client, host } = faulty;
  const name = `${host}/app`;
  const image = testImage();
  const { digest } = image.descriptor;
  const referrer = testImage({ seed: 2, subject: image.descriptor });
  const byDigest = `${name}@${referrer.descriptor.digest}`;
  for (const tag of ["1", "2"]) await push(image, `${name}:${tag}`, { client });
  await push(referrer, byDigest, { client });
  const tags = () => Array.fromAsync(listTags(name, { client }));
  const fails = async (act: () => Promise<unknown>, what: string) => {
    const error = await assertRejects(
      act,
      RegistryError,
      `Cannot delete ${what}`,
    );
    assertEquals(error.status, 404);
  };

  await deleteTag(`${name}:1`, { client });
  assertEquals(await tags(), ["2"]);
  await fails(() => deleteTag(`${name}:1`, { client }), `"${name}" "1"`);

  await deleteManifest(byDigest, { client });
  assertEquals(
    await Array.fromAsync(listReferrers(`${name}@${digest}`, { client })),
    [],
  );
  await fails(() => deleteManifest(byDigest, { client }), `"${byDigest}"`);

  const blob = `${name}@${image.layers[0]!.digest}`;
  await deleteBlob(blob, { client });
  await fails(() => deleteBlob(blob, { client }), `"${blob}"`);
  await assertRejects(
    () => pull(`${name}:2`, createMemoryStore(), { client }),
    RegistryError,
    "BLOB_UNKNOWN",
  );

  await deleteManifest(`${name}@${digest}`, { client });
  assertEquals(await tags(), []);
  for (
    const act of [
      () => deleteBlob(`${name}:1`, { client }),
      () => deleteManifest(`${name}:1`, { client }),
      () => deleteTag(blob, { client }),
    ]
  ) await assertRejects(act, TypeError, "Cannot delete the");
});
