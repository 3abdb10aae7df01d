/**
 * The error of a CNI plugin.
 *
 * @module
 */

/** What {@linkcode CniError} is made of. */
export interface CniErrorDetails {
  /** What the plugin was asked for, such as `ADD`. */
  readonly command: string;
  /** The name of the plugin. */
  readonly plugin: string;
  /** How it ended. */
  readonly exitCode: number;
  /** What it printed, parsed. */
  readonly answer: unknown;
  /** What it printed for people. */
  readonly stderr: string;
}

/**
 * A CNI plugin that refused, with its own words, or that was killed as it printed too much.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @example Usage
 * ```ts
 * import { CniError } from "@containerkit/network/unstable-cni";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new CniError({
 *   command: "ADD",
 *   plugin: "bridge",
 *   exitCode: 1,
 *   answer: { code: 4, msg: "required env variables [CNI_NETNS] missing" },
 *   stderr: "",
 * });
 * assertEquals(
 *   error.message,
 *   'Cannot ADD by the CNI plugin "bridge": required env variables [CNI_NETNS] missing (code 4)',
 * );
 * ```
 */
export class CniError extends Error {
  /** Always `"CniError"`, for checks across package versions. */
  override readonly name = "CniError";
  /** What the plugin was asked for, such as `ADD`. */
  readonly command: string;
  /** The name of the plugin. */
  readonly plugin: string;
  /** How it ended. */
  readonly exitCode: number;
  /** The number of the error, see the specification; `undefined` if the plugin gave none. */
  readonly code: number | undefined;
  /** More of its words. */
  readonly details: string | undefined;

  /**
   * Describes a refusal.
   *
   * @param details What was asked, and what came back.
   */
  constructor(details: CniErrorDetails) {
    const { command, plugin, exitCode, stderr } = details;
    const answer = typeof details.answer === "object" && details.answer !== null
      ? details.answer
      : {};
    const code = "code" in answer && typeof answer.code === "number"
      ? answer.code
      : undefined;
    const text = "msg" in answer && typeof answer.msg === "string"
      ? answer.msg
      : stderr.trim() || `it exited with ${exitCode}`;
    const more = "details" in answer && typeof answer.details === "string" &&
        answer.details !== ""
      ? answer.details
      : undefined;
    super(
      `Cannot ${command} by the CNI plugin "${plugin}": ${text}${
        more === undefined ? "" : `: ${more}`
      }${code === undefined ? "" : ` (code ${code})`}`,
    );
    this.command = command;
    this.plugin = plugin;
    this.exitCode = exitCode;
    this.code = code;
    this.details = more;
  }
}
