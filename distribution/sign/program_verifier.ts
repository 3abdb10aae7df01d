/**
 * Verification by external programs.
 *
 * @module
 */

import { runProgram } from "../_run_program.ts";
import type { Found } from "./verifier.ts";

/** Options of {@linkcode programVerifier}. */
export interface ProgramVerifierOptions {
  /**
   * How many programs are run at most: the first by name.
   *
   * @default {10}
   */
  readonly limit?: number;
  /**
   * How long one may take, in milliseconds.
   *
   * @default {10000}
   */
  readonly timeout?: number;
}

/** What a program said. */
export interface ProgramVerdict {
  /** The program's file name. */
  readonly program: string;
  /** What it printed, up to 16 KiB. */
  readonly reason: string;
}

/** Bytes of what a program prints that are kept. */
const MAX_REASON = 16 * 1024;
/** Bytes that it may print: the words for a log are its errors. */
const MAX_OUTPUT = 2 ** 20;
const MEDIA_TYPE = "application/vnd.oci.descriptor.v1+json";

function clip(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(0, MAX_REASON)).trim();
}

/** The programs of a folder, by name. */
async function list(folder: string, limit: number): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isFile, isSymlink } of Deno.readDir(folder)) {
    if (isFile || isSymlink) names.push(name);
  }
  return names.toSorted().slice(0, limit);
}

async function ask(
  folder: string,
  program: string,
  { found, timeout }: { found: Found; timeout: number },
): Promise<ProgramVerdict> {
  const { reference, descriptor, signal } = found;
  const fail = (why: string, cause?: unknown): never => {
    throw new Error(`Cannot admit "${reference}": "${program}" ${why}`, {
      cause,
    });
  };
  const patience = AbortSignal.timeout(timeout);
  const { success, code, isTooLong, stdout } = await runProgram(
    `${folder}/${program}`,
    {
      args: [
        "-name",
        reference,
        "-digest",
        descriptor.digest,
        "-stdin-media-type",
        MEDIA_TYPE,
      ],
      input: JSON.stringify(descriptor),
      limit: MAX_OUTPUT,
      signal: signal === undefined
        ? patience
        : AbortSignal.any([signal, patience]),
    },
  ).catch((cause) => {
    signal?.throwIfAborted();
    return patience.aborted
      ? fail(`took longer than ${timeout / 1000} s`)
      : Promise.reject(cause);
  });
  if (isTooLong) fail(`printed more than ${MAX_OUTPUT} bytes`);
  const reason = clip(stdout);
  if (!success) {
    fail(`refuses it (${code})${reason === "" ? "" : `: ${reason}`}`);
  }
  return { program, reason };
}

/**
 * Makes a verifier of the programs of a folder, by the interface of containerd's image verifiers: each gets the arguments `-name`, `-digest` and
 * `-stdin-media-type` and the descriptor on its standard input, and admits an image by ending with 0. All have to.
 *
 * Other than containerd's it admits nothing when the folder is missing or empty.
 *
 * Requires `--allow-read` and `--allow-run`.
 *
 * @param folder Where the programs are.
 * @param options How many, and how long each may take.
 * @returns A function that fits `admit` of a pull or an import as it is; it throws an `Error` for what a program refuses.
 *
 * @see https://github.com/containerd/containerd/blob/main/docs/image-verification.md
 *
 * @example Usage
 * ```ts ignore
 * import { pull } from "@containerkit/distribution";
 * import { programVerifier } from "@containerkit/distribution/sign";
 *
 * const admit = programVerifier("/opt/containerd/image-verifier/bin");
 * await pull("registry.example.com/app:1", store, { admit });
 * ```
 */
export function programVerifier(
  folder: string,
  options: ProgramVerifierOptions = {},
): (found: Found) => Promise<ProgramVerdict[]> {
  const { limit = 10, timeout = 10_000 } = options;
  return async (found) => {
    const programs = await list(folder, limit);
    if (programs.length === 0) {
      throw new Deno.errors.NotFound(
        `Cannot admit "${found.reference}": there is no verifier in "${folder}"`,
      );
    }
    const verdicts: ProgramVerdict[] = [];
    for (const program of programs) {
      verdicts.push(await ask(folder, program, { found, timeout }));
    }
    return verdicts;
  };
}
