import { call } from "./_call.ts";
import type { CniCall } from "./_exec.ts";
import { CniError } from "./cni_error.ts";
import type { CniOptions, CniResult } from "./cni_types.ts";

/** How much of an answer an error quotes. */
const QUOTED = 200;

/** Whether a value has named parts. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isListOf(value: unknown, key: string): boolean {
  return value === undefined || Array.isArray(value) &&
      value.every((one) => isObject(one) && typeof one[key] === "string");
}

/** Whether an answer to `ADD` can be given on, to callers and as `prevResult`. */
export function isResult(value: unknown): value is CniResult {
  return isObject(value) && isListOf(value.interfaces, "name") &&
    isListOf(value.ips, "address") && isListOf(value.routes, "dst");
}

/** Whether an answer to `VERSION` tells versions. */
export function isVersions(
  value: unknown,
): value is { readonly supportedVersions: string[] } {
  return isObject(value) && Array.isArray(value.supportedVersions) &&
    value.supportedVersions.every((one) => typeof one === "string");
}

/** Runs a plugin whose answer matters; one that cannot be right is an error like a refusal. */
export async function ask<T>(
  command: "ADD" | "VERSION",
  options: CniOptions,
  { isAnswer, ...rest }: Pick<CniCall, "plugin" | "config" | "env"> & {
    isAnswer(value: unknown): value is T;
  },
): Promise<T> {
  const answer = await call(command, options, rest);
  if (isAnswer(answer)) return answer;
  const quoted = JSON.stringify(answer) ?? "nothing";
  throw new CniError({
    command,
    plugin: rest.plugin,
    exitCode: 0,
    answer: {
      msg: `it answered what the specification does not know: ${
        quoted.slice(0, QUOTED)
      }`,
    },
    stderr: "",
  });
}
