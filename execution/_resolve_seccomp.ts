import { architectureOfMachine, isOlder } from "./_machine.ts";
import type {
  Seccomp,
  SeccompConditions,
  SeccompProfile,
  SeccompProfileRule,
  SeccompRule,
} from "./seccomp.ts";

/** Names of the architectures of a filter by Go's. */
const NATIVE: Readonly<Record<string, string>> = {
  amd64: "SCMP_ARCH_X86_64",
  arm64: "SCMP_ARCH_AARCH64",
};

/** What the conditions of rules are about. */
export interface ResolveSeccompOptions {
  /** Those of the bounding set. */
  readonly capabilities: readonly string[];
  /** By Go's names; the machine's by default. */
  readonly architecture?: string;
  /** The machine's by default. */
  readonly kernel?: string;
}

/** Takes out of a rule what no runtime knows. */
function plain(
  { name, names, comment: _, includes: _in, excludes: _ex, ...rule }:
    SeccompProfileRule,
): SeccompRule {
  return { names: names ?? (name === undefined ? [] : [name]), ...rule };
}

/**
 * The filter for this machine and these capabilities. Runtimes pass over the
 * conditions of rules, and would allow what Docker does not.
 *
 * @throws {TypeError} If it names its architectures twice.
 */
export function resolveSeccomp(
  profile: Seccomp | SeccompProfile,
  options: ResolveSeccompOptions,
): Seccomp {
  const {
    architecture = architectureOfMachine(),
    kernel = Deno.osRelease(),
    capabilities,
  } = options;
  const { archMap, syscalls, ...common } = profile as SeccompProfile;
  if (archMap?.length && common.architectures?.length) {
    throw new TypeError(
      "Cannot use the seccomp profile: it has both 'architectures' and 'archMap'",
    );
  }
  const reaches = ({ minKernel }: SeccompConditions) =>
    typeof minKernel === "string" && !isOlder(kernel, minKernel);
  const isExcluded = (conditions: SeccompConditions) =>
    conditions.arches?.includes(architecture) ||
    conditions.caps?.some((name) => capabilities.includes(name)) ||
    reaches(conditions);
  const isIncluded = (conditions: SeccompConditions) =>
    (!conditions.arches?.length || conditions.arches.includes(architecture)) &&
    (conditions.caps ?? []).every((name) => capabilities.includes(name)) &&
    (!conditions.minKernel || reaches(conditions));
  const own = archMap?.find((one) => one.architecture === NATIVE[architecture]);
  return {
    ...common,
    ...own === undefined ? {} : {
      architectures: [own.architecture, ...own.subArchitectures ?? []],
    },
    ...syscalls === undefined ? {} : {
      syscalls: syscalls.filter(({ includes, excludes }) =>
        isIncluded(includes ?? {}) && !isExcluded(excludes ?? {})
      ).map(plain),
    },
  };
}
