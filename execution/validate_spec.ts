/**
 * Checking the configuration of a container.
 *
 * @module
 */

import type { Spec, SpecHook, SpecMount, SpecProcess } from "./spec.ts";
import type { SpecLinux } from "./spec_linux.ts";

/**
 * A configuration that breaks a rule of the runtime specification.
 *
 * @example Usage
 * ```ts
 * import { SpecError, validateSpec } from "@containerkit/execution";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const error = assertThrows(() => validateSpec({ ociVersion: "x" }), SpecError);
 * assertEquals(error.field, "ociVersion");
 * ```
 */
export class SpecError extends TypeError {
  /** Always `"SpecError"`, for checks across package versions. */
  override readonly name = "SpecError";
  /** The field that breaks the rule, such as `process.cwd`. */
  readonly field: string;

  /**
   * Describes a broken rule.
   *
   * @param field The field, such as `process.cwd`.
   * @param why What is wrong with it.
   */
  constructor(field: string, why: string) {
    super(`Cannot use the spec: ${field} ${why}`);
    this.field = field;
  }
}

/** What sethostname(2) and setdomainname(2) take. */
const MAX_NAME = 64;

function check(
  fine: boolean | undefined,
  field: string,
  why: string,
): void {
  if (!fine) throw new SpecError(field, why);
}

const isAbsolute = (path: unknown): boolean =>
  typeof path === "string" && path.startsWith("/") && !path.includes("\0");
const isId = (id: unknown): boolean =>
  Number.isInteger(id) && Number(id) >= 0 && Number(id) < 2 ** 32 - 1;

/** Of a limit that is NaN or Infinity, which JSON writes as null, a runtime would learn nothing. */
function checkNumbers(value: unknown, field: string): void {
  if (typeof value === "number") {
    check(Number.isInteger(value), field, `is ${value}, expected an integer`);
  } else if (Array.isArray(value)) {
    for (const [at, part] of value.entries()) {
      checkNumbers(part, `${field}[${at}]`);
    }
  } else if (typeof value === "object" && value !== null) {
    for (const [name, part] of Object.entries(value)) {
      checkNumbers(part, `${field}.${name}`);
    }
  }
}

function checkProcess(process: SpecProcess): void {
  const { cwd, args, env = [], user, rlimits = [] } = process;
  check(
    isAbsolute(cwd),
    "process.cwd",
    `is "${cwd}", expected an absolute path`,
  );
  check(
    Array.isArray(args) && args.length > 0 && args[0] !== "",
    "process.args",
    "names no program",
  );
  for (const [index, arg] of args!.entries()) {
    check(
      typeof arg === "string" && !arg.includes("\0"),
      `process.args[${index}]`,
      "is no string without NUL",
    );
  }
  for (const [index, entry] of env.entries()) {
    check(
      typeof entry === "string" && /^[^=\0]+=[^\0]*$/s.test(entry),
      `process.env[${index}]`,
      "is not of the form NAME=value",
    );
  }
  check(isId(user?.uid), "process.user.uid", "is no id");
  check(isId(user?.gid), "process.user.gid", "is no id");
  const types = new Set<string>();
  for (const [index, { type, soft, hard }] of rlimits.entries()) {
    const field = `process.rlimits[${index}]`;
    check(
      /^RLIMIT_[A-Z]+$/.test(type),
      `${field}.type`,
      `is "${type}", expected a name such as RLIMIT_NOFILE`,
    );
    check(!types.has(type), `${field}.type`, `names ${type} a second time`);
    check(
      [soft, hard].every((n) => Number.isInteger(n) && n >= 0),
      field,
      `has soft ${soft} and hard ${hard}, expected integers from 0`,
    );
    check(soft <= hard, field, `has soft ${soft} above hard ${hard}`);
    types.add(type);
  }
  const { oomScoreAdj = 0 } = process;
  check(
    Number.isInteger(oomScoreAdj) && Math.abs(oomScoreAdj) <= 1000,
    "process.oomScoreAdj",
    `is ${oomScoreAdj}, expected -1000 to 1000`,
  );
  if (process.consoleSize !== undefined) {
    const { height, width } = process.consoleSize;
    check(
      [height, width].every((n) => Number.isInteger(n) && n >= 0 && n < 65536),
      "process.consoleSize",
      "is out of range",
    );
  }
  checkNumbers(process, "process");
}

function checkMounts(mounts: readonly SpecMount[]): void {
  for (
    const [index, { destination, source, options = [] }] of mounts.entries()
  ) {
    const field = `mounts[${index}]`;
    check(
      isAbsolute(destination),
      `${field}.destination`,
      `is "${destination}", expected an absolute path`,
    );
    if (options.includes("bind") || options.includes("rbind")) {
      check(
        typeof source === "string" && source !== "",
        `${field}.source`,
        "is missing for a bind mount",
      );
    }
  }
}

function checkHooks(
  hooks: Readonly<Record<string, readonly SpecHook[]>>,
): void {
  for (const [name, list] of Object.entries(hooks)) {
    for (const [index, { path, timeout }] of list.entries()) {
      const field = `hooks.${name}[${index}]`;
      check(isAbsolute(path), `${field}.path`, "is not absolute");
      check(
        timeout === undefined || timeout > 0,
        `${field}.timeout`,
        `is ${timeout}, expected seconds above 0`,
      );
    }
  }
}

function checkLinux(linux: SpecLinux): void {
  const types = new Set<string>();
  const { namespaces = [] } = linux;
  for (const [index, { type, path }] of namespaces.entries()) {
    check(
      !types.has(type),
      `linux.namespaces[${index}]`,
      `names ${type} a second time`,
    );
    types.add(type);
    check(
      path === undefined || isAbsolute(path),
      `linux.namespaces[${index}].path`,
      "is not absolute",
    );
  }
  if (linux.timeOffsets !== undefined) {
    check(types.has("time"), "linux.timeOffsets", "needs a time namespace");
  }
  if (linux.netDevices !== undefined) {
    check(
      types.has("network"),
      "linux.netDevices",
      "needs a network namespace",
    );
  }
  for (const field of ["uidMappings", "gidMappings"] as const) {
    const ranges = linux[field] ?? [];
    check(
      ranges.length === 0 || types.has("user"),
      `linux.${field}`,
      "needs a user namespace",
    );
    for (const [index, { containerID, hostID, size }] of ranges.entries()) {
      check(
        isId(containerID) && isId(hostID) && size > 0 && isId(size),
        `linux.${field}[${index}]`,
        "is no range of ids",
      );
    }
  }
  for (const field of ["maskedPaths", "readonlyPaths"] as const) {
    for (const path of linux[field] ?? []) {
      check(isAbsolute(path), `linux.${field}`, `holds "${path}"`);
    }
  }
  for (const [index, { path, type }] of (linux.devices ?? []).entries()) {
    check(isAbsolute(path), `linux.devices[${index}].path`, "is not absolute");
    check(
      ["c", "b", "u", "p"].includes(type),
      `linux.devices[${index}].type`,
      `is "${type}"`,
    );
  }
  for (const [index, rule] of (linux.seccomp?.syscalls ?? []).entries()) {
    check(
      !("includes" in rule || "excludes" in rule),
      `linux.seccomp.syscalls[${index}]`,
      "has conditions, which a runtime passes over: createSpec() resolves them",
    );
  }
  const { memory = {} } = linux.resources ?? {};
  if (memory.limit !== undefined && memory.swap !== undefined) {
    check(
      memory.swap === -1 || memory.limit === -1 || memory.swap >= memory.limit,
      "linux.resources.memory.swap",
      `is ${memory.swap}, below the limit ${memory.limit}`,
    );
  }
  checkNumbers(linux, "linux");
}

/**
 * Checks a configuration against the rules of the runtime specification 1.3
 * before a runtime is started with it. Fields it does not know are left alone,
 * but numbers of a process and of `linux` are integers.
 *
 * @param spec The configuration.
 * @throws {SpecError} If it breaks a rule.
 *
 * @see https://github.com/opencontainers/runtime-spec/blob/main/config.md
 *
 * @example Usage
 * ```ts
 * import { validateSpec } from "@containerkit/execution";
 *
 * validateSpec({
 *   ociVersion: "1.0.2",
 *   root: { path: "/rootfs" },
 *   process: { user: { uid: 0, gid: 0 }, args: ["true"], cwd: "/" },
 * });
 * ```
 */
export function validateSpec(spec: Spec): void {
  check(
    /^1\.\d+\.\d+(-.+)?$/.test(spec.ociVersion),
    "ociVersion",
    `is "${spec.ociVersion}", expected 1.x.y`,
  );
  check(
    typeof spec.root?.path === "string" && spec.root.path !== "",
    "root.path",
    "is missing",
  );
  if (spec.process !== undefined) checkProcess(spec.process);
  checkMounts(spec.mounts ?? []);
  checkHooks({ ...spec.hooks });
  for (const field of ["hostname", "domainname"] as const) {
    const name = spec[field];
    if (name === undefined) continue;
    check(
      spec.linux?.namespaces?.some(({ type }) => type === "uts"),
      field,
      "needs a UTS namespace",
    );
    check(
      !name.includes("\0") &&
        new TextEncoder().encode(name).length <= MAX_NAME,
      field,
      `is ${
        JSON.stringify(name)
      }, expected at most ${MAX_NAME} bytes without NUL`,
    );
  }
  if (spec.linux !== undefined) checkLinux(spec.linux);
}
