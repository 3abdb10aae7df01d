import {
  exportArchive,
  importArchive,
  importLayout,
  type ImportOptions,
  openLayout,
} from "@containerkit/distribution/archive";
import {
  convert as convertImage,
  type ConvertOptions,
} from "@containerkit/distribution/pack";
import {
  type Arguments,
  type Command,
  type Context,
  UsageError,
} from "../command.ts";
import { fullName, requireImage } from "../images.ts";
import { readStdin } from "../read_stdin.ts";
import { readAdmit } from "../signing.ts";
import { openContent } from "../stores.ts";

async function stat(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

const importCommand: Command = {
  name: "import",
  usage: "[--name REPOSITORY] [--policy FILE | --key FILE...] FILE|FOLDER|-",
  summary:
    "store the images of an archive (docker's or OCI's) or of an image layout",
  strings: ["name", "policy"],
  lists: ["key"],
  async run(args, context) {
    const { signal, print } = context;
    const [path] = args.words;
    if (path === undefined || args.words.length !== 1) {
      throw new UsageError("one file or folder is to be named");
    }
    const repository = args.string("name");
    const admit = await readAdmit(args);
    using content = await openContent(context);
    await using lease = await content.leases.create();
    const options: ImportOptions = {
      signal,
      ...(repository === undefined ? {} : { repository }),
      ...(admit === undefined
        ? {}
        : { admit: (found) => admit({ ...found, signal }) }),
    };
    const images = path !== "-" && (await stat(path))?.isDirectory
      ? await importLayout(
        await openLayout(path, options),
        lease.store,
        options,
      )
      : await importArchive(
        path === "-" ? readStdin(signal) : (await Deno.open(path)).readable,
        lease.store,
        options,
      );
    for (const { descriptor, names } of images) {
      for (const name of names) {
        await content.images.create(name, descriptor, { replace: true });
      }
      print(`${names.join(" ") || "-"}\t${descriptor.digest}`);
    }
  },
};

const FORMATS = ["oci-docker", "oci", "docker"] as const;

function formatOf(args: Arguments): typeof FORMATS[number] {
  const text = args.string("format") ?? "oci-docker";
  const format = FORMATS.find((one) => one === text);
  if (format === undefined) {
    throw new UsageError(`--format takes ${FORMATS.join(", ")}`);
  }
  return format;
}

/** Writes a file; one that was there stays until all of the new one is. */
async function writeFile(
  path: string,
  content: ReadableStream<Uint8Array>,
): Promise<void> {
  const found = await stat(path);
  if (found !== undefined && !found.isFile) {
    // A device or a pipe.
    const target = await Deno.open(path, { write: true });
    return await content.pipeTo(target.writable);
  }
  const target = found === undefined ? path : await Deno.realPath(path);
  const temporary = `${target}.${crypto.randomUUID()}`;
  try {
    await content.pipeTo((await Deno.create(temporary)).writable);
    await Deno.rename(temporary, target);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

const exportCommand: Command = {
  name: "export",
  usage:
    "[--format oci-docker|oci|docker] [--platform OS/ARCH]... [--skip-missing] [-o FILE] REF...",
  summary: "write stored images as an archive",
  booleans: ["skip-missing"],
  strings: ["format", "output"],
  lists: ["platform"],
  alias: { o: "output" },
  async run(args, context) {
    if (args.words.length === 0) {
      throw new UsageError("at least one reference is missing");
    }
    const path = args.string("output");
    if (path === undefined && Deno.stdout.isTerminal()) {
      throw new UsageError(
        "ckit writes no archive to a terminal; -o takes a file",
      );
    }
    using content = await openContent(context);
    const images = [];
    for (const word of args.words) {
      const name = fullName(word);
      const { descriptor } = await requireImage(content, name, "export");
      images.push({ descriptor, names: [name] });
    }
    const platforms = args.list("platform");
    const archive = exportArchive(content, images, {
      format: formatOf(args),
      missing: args.flag("skip-missing") ? "skip" : "fail",
      ...(platforms.length === 0 ? {} : { platforms }),
      signal: context.signal,
    });
    if (path === undefined) await archive.pipeTo(Deno.stdout.writable);
    else await writeFile(path, archive);
  },
};

function convertOptions(args: Arguments, context: Context): ConvertOptions {
  const compression = args.string("compression");
  const mediaTypes = args.string("media-types");
  if (compression !== undefined && !/^(none|gzip|zstd)$/.test(compression)) {
    throw new UsageError("--compression takes none, gzip or zstd");
  }
  if (mediaTypes !== undefined && !/^(oci|docker)$/.test(mediaTypes)) {
    throw new UsageError("--media-types takes oci or docker");
  }
  return {
    missing: args.flag("skip-missing") ? "skip" : "fail",
    signal: context.signal,
    ...(compression === undefined ? {} : { compression }),
    ...(mediaTypes === undefined ? {} : { mediaTypes }),
  } as ConvertOptions;
}

const convert: Command = {
  name: "convert",
  usage:
    "[--compression none|gzip|zstd] [--media-types oci|docker] [--skip-missing] REF NEW",
  summary: "store an image in another form under another name",
  most: 2,
  booleans: ["skip-missing"],
  strings: ["compression", "media-types"],
  async run(args, context) {
    const [reference, target] = args.words;
    if (reference === undefined || target === undefined) {
      throw new UsageError("ckit convert takes two references");
    }
    const options = convertOptions(args, context);
    using content = await openContent(context);
    const name = fullName(reference);
    const source = await requireImage(content, name, "convert");
    await using lease = await content.leases.create();
    const { descriptor, changes } = await convertImage(
      lease.store,
      source.descriptor,
      options,
    );
    await content.images.create(fullName(target), descriptor, {
      replace: true,
    });
    for (const { from, to, reason } of changes) {
      context.print(`${from.digest}\t${to?.digest ?? "left out"}\t${reason}`);
    }
    context.print(`${fullName(target)}@${descriptor.digest}`);
  },
};

/** Docker's words for both: it has the file in a flag, and else the standard input. */
const save: Command = { ...exportCommand, name: "save" };

const load: Command = {
  ...importCommand,
  name: "load",
  usage: "[--name REPOSITORY] [--policy FILE | --key FILE...] [-i FILE|FOLDER]",
  most: 0,
  strings: [...importCommand.strings!, "input"],
  alias: { i: "input" },
  run: (args, context) =>
    importCommand.run(
      { ...args, words: [args.string("input") ?? "-"] },
      context,
    ),
};

/** What takes images in and out of files, and changes their form. */
export const archives: readonly Command[] = [
  importCommand,
  exportCommand,
  load,
  save,
  convert,
];
