import {
  keySigner,
  type Policy,
  type Signer,
  type Verifier,
  verifier,
} from "@containerkit/distribution/sign";
import { type Arguments, UsageError } from "./command.ts";

/** The password in a file; the line's end does not count. */
export async function readPassword(
  args: Arguments,
): Promise<string | undefined> {
  const path = args.string("password-file");
  return path === undefined
    ? undefined
    : (await Deno.readTextFile(path)).replace(/\r?\n$/, "");
}

/** `NAME=value` pairs, as `-a` takes them. */
export function readAnnotations(args: Arguments): Record<string, string> {
  return Object.fromEntries(
    args.list("annotation").map((pair) => {
      const [name, ...value] = pair.split("=");
      if (!name || value.length === 0) {
        throw new UsageError(`-a takes NAME=value, not "${pair}"`);
      }
      return [name, value.join("=")];
    }),
  );
}

/** The signer of `--key`, with the certificates of `--cert`. */
export async function readSigner(args: Arguments): Promise<Signer> {
  const path = args.string("key");
  if (path === undefined) throw new UsageError("--key FILE is needed");
  const cert = args.string("cert");
  const password = await readPassword(args);
  return keySigner(await Deno.readTextFile(path), {
    ...(password === undefined ? {} : { password }),
    ...(cert === undefined
      ? {}
      : { certificates: await Deno.readTextFile(cert) }),
  });
}

/** The policy of `--policy`, or one of the keys of `--key`. */
export async function readPolicy(args: Arguments): Promise<Policy> {
  const path = args.string("policy");
  const keys = args.list("key");
  if ((path === undefined) === (keys.length === 0)) {
    throw new UsageError("either --policy FILE or --key FILE is needed");
  }
  const policy: Policy = path === undefined
    ? {
      authorities: await Promise.all(keys.map(async (file) => ({
        type: "key" as const,
        name: file,
        key: await Deno.readTextFile(file),
      }))),
    }
    : JSON.parse(await Deno.readTextFile(path));
  const annotations = readAnnotations(args);
  const type = args.string("type");
  return {
    ...policy,
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    ...(type === undefined ? {} : { predicateType: type }),
  };
}

/** The verifier of `--policy` or `--key`; `undefined` if neither is given. */
export async function readAdmit(
  args: Arguments,
): Promise<Verifier | undefined> {
  const isGiven = args.string("policy") !== undefined ||
    args.list("key").length > 0;
  return isGiven ? verifier(await readPolicy(args)) : undefined;
}
