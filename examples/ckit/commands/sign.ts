import {
  formatReference,
  type Image,
  openRepository,
  parseReference,
  pull,
  push,
  type RegistryClient,
  RegistryError,
  resolve,
} from "@containerkit/distribution";
import { createMemoryStore } from "@containerkit/distribution/registry";
import {
  sign as signImage,
  type SignatureFormat,
  signatureTag,
  verifier,
} from "@containerkit/distribution/sign";
import { openClient } from "../client.ts";
import { type Arguments, type Command, UsageError } from "../command.ts";
import { readAnnotations, readPolicy, readSigner } from "../signing.ts";

const FORMATS: readonly string[] = ["bundle", "cosign", "notation"];

function formatOf(args: Arguments): SignatureFormat {
  const format = args.string("format") ?? "bundle";
  if (!FORMATS.includes(format)) {
    throw new UsageError(`--format takes ${FORMATS.join(", ")}`);
  }
  return format as SignatureFormat;
}

async function readPredicate(
  args: Arguments,
): Promise<{ type: string; value: unknown } | undefined> {
  const [type, file] = [args.string("type"), args.string("predicate")];
  if ((type === undefined) !== (file === undefined)) {
    throw new UsageError("--type and --predicate go together");
  }
  return type === undefined || file === undefined
    ? undefined
    : { type, value: JSON.parse(await Deno.readTextFile(file)) };
}

/** The signatures that lie under a tag already: others must not be lost. */
async function pullExisting(
  reference: string,
  options: { client: RegistryClient; signal: AbortSignal },
): Promise<Image | undefined> {
  try {
    return await pull(reference, createMemoryStore(), options);
  } catch (error) {
    if (error instanceof RegistryError && error.status === 404) {
      return undefined;
    }
    throw error;
  }
}

const sign: Command = {
  name: "sign",
  usage:
    "--key FILE [--password-file FILE] [--cert FILE] [--format bundle|cosign|notation] [-a NAME=value]... [--type TYPE --predicate FILE] [--plain-http] REF",
  summary:
    "sign an image of a registry, or a statement about it, and push that there",
  booleans: ["plain-http"],
  strings: ["key", "password-file", "cert", "format", "type", "predicate"],
  lists: ["annotation"],
  alias: { a: "annotation" },
  async run(args, { print, signal }) {
    const [reference] = args.words;
    if (reference === undefined || args.words.length !== 1) {
      throw new UsageError("ckit sign takes one reference");
    }
    const name = parseReference(reference);
    const format = formatOf(args);
    const predicate = await readPredicate(args);
    const signer = await readSigner(args);
    using client = openClient({ plainHttp: args.flag("plain-http") });
    const subject = await resolve(reference, { client, signal });
    const { registry, repository } = name;
    const options = {
      format,
      reference: `${registry}/${repository}`,
      annotations: readAnnotations(args),
      ...(predicate === undefined ? {} : { predicate }),
      signal,
    };
    const tag = signatureTag(
      subject.digest,
      predicate === undefined ? "sig" : "att",
    );
    const append = format === "cosign"
      ? await pullExisting(`${registry}/${repository}:${tag}`, {
        client,
        signal,
      })
      : undefined;
    const signature = await signImage(subject, signer, {
      ...options,
      ...(append === undefined ? {} : { append }),
    });
    await push(signature, reference, { client, signal });
    print(
      `${
        formatReference({ registry, repository, digest: subject.digest })
      }\t${format}\t${signature.descriptor.digest}`,
    );
  },
};

const verify: Command = {
  name: "verify",
  usage:
    "--key FILE... | --policy FILE [-a NAME=value]... [--type TYPE] [--plain-http] REF",
  summary: "check that an image of a registry is signed as a policy wants it",
  booleans: ["plain-http"],
  strings: ["policy", "type"],
  lists: ["key", "annotation"],
  alias: { a: "annotation" },
  async run(args, { print, signal }) {
    const [reference] = args.words;
    if (reference === undefined || args.words.length !== 1) {
      throw new UsageError("ckit verify takes one reference");
    }
    const admit = verifier(await readPolicy(args));
    using client = openClient({ plainHttp: args.flag("plain-http") });
    const descriptor = await resolve(reference, { client, signal });
    const { signatures } = await admit({
      reference: formatReference(parseReference(reference)),
      descriptor,
      registry: openRepository(reference, { client }),
      signal,
    });
    for (const { format, authority, identity, subject } of signatures) {
      const who = identity === undefined
        ? subject
        : `${identity.subject} (${identity.issuer})`;
      print(
        [descriptor.digest, format, authority, who ?? ""].join("\t").trimEnd(),
      );
    }
  },
};

/** What signs images, and what asks for signatures. */
export const signing: readonly Command[] = [sign, verify];
