/**
 * Signing by an external program.
 *
 * @module
 */

import { runProgram } from "../_run_program.ts";
import { decodeBase64 } from "./_bytes.ts";
import type { PublicKey } from "./public_key.ts";
import type { Signer } from "./signer.ts";

/** Options of {@linkcode programSigner}. */
export interface ProgramSignerOptions {
  /** The key that it signs with. */
  readonly publicKey: PublicKey;
  /** DER of the certificates of the key, the leaf first. */
  readonly certificates?: readonly Uint8Array[];
}

/** Bytes of the largest signature that is read. */
const MAX_OUTPUT = 64 * 1024;

/**
 * Makes a signer of a program, such as one that asks a key management service or a hardware token.
 *
 * The program gets the message on its standard input and `--hash sha256` (and `--padding pss`, where that is wanted) after its own arguments. It prints the
 * signature in base64, in one line or in many, of ECDSA as DER, and ends with 0.
 *
 * Requires `--allow-run`.
 *
 * @param command The program and its arguments; no shell is involved.
 * @param options The key that it signs with.
 * @returns The signer.
 * @throws {TypeError} If there is no command.
 *
 * @example Usage
 * ```ts ignore
 * import { parsePublicKey, programSigner } from "@containerkit/distribution/sign";
 *
 * const signer = programSigner(["kms-sign", "--key", "release"], {
 *   publicKey: parsePublicKey(await Deno.readTextFile("release.pub")),
 * });
 * ```
 */
export function programSigner(
  command: readonly string[],
  options: ProgramSignerOptions,
): Signer {
  const [program, ...args] = command;
  if (program === undefined) {
    throw new TypeError("Cannot make a signer: there is no command");
  }
  const { publicKey, certificates } = options;
  return {
    publicKey,
    ...(certificates === undefined ? {} : { certificates }),
    async sign(message, { hash, padding }, { signal } = {}) {
      const { success, code, isTooLong, stdout, stderr } = await runProgram(
        program,
        {
          args: [
            ...args,
            "--hash",
            hash,
            ...(padding === undefined ? [] : ["--padding", padding]),
          ],
          input: message,
          limit: MAX_OUTPUT,
          signal,
        },
      );
      if (isTooLong) {
        throw new RangeError(
          `Cannot sign with "${program}": it printed more than ${MAX_OUTPUT} bytes`,
        );
      }
      if (!success) {
        const text = new TextDecoder().decode(stderr.subarray(-1024)).trim();
        throw new Error(
          `Cannot sign with "${program}": it ended with ${code}${
            text === "" ? "" : `: ${text}`
          }`,
        );
      }
      try {
        // Programs such as base64 break long lines.
        const text = new TextDecoder().decode(stdout).replace(/\s/g, "");
        return decodeBase64(text);
      } catch (cause) {
        throw new SyntaxError(
          `Cannot sign with "${program}": what it printed is not base64`,
          { cause },
        );
      }
    },
  };
}
