// As a preload of tests: the calls of the newer way to mount are refused from here on, by a seccomp filter as
// containers have one, with the error that CONTAINERKIT_REFUSE names.
import { Arena, errno, errnoName, library } from "@containerkit/libc";
import "./preload.ts";

const REFUSED = [428, 429, 430, 431, 432, 433, 442, 457, 458, 467];
const ERRORS: Readonly<Record<string, number>> = { EPERM: 1, ENOSYS: 38 };

const isArm = Deno.build.arch === "aarch64";
const AUDIT_ARCH = isArm ? 0xc00000b7 : 0xc000003e;
const SYS_SECCOMP = isArm ? 277 : 317;
const SET_MODE_FILTER = 1;
const FLAG_TSYNC = 1;
const RET_ERRNO = 0x00050000;
const RET_ALLOW = 0x7fff0000;

/** `struct sock_filter` of each line: load a word, jump if equal, return. */
function program(code: number): Uint8Array {
  const LOAD = 0x20;
  const JUMP_EQUAL = 0x15;
  const RETURN = 0x06;
  const last = REFUSED.length;
  const lines: (readonly [op: number, yes: number, no: number, k: number])[] = [
    [LOAD, 0, 0, 4],
    [JUMP_EQUAL, 0, last + 1, AUDIT_ARCH],
    [LOAD, 0, 0, 0],
    ...REFUSED.map((call, at) => [JUMP_EQUAL, last - at, 0, call] as const),
    [RETURN, 0, 0, RET_ALLOW],
    [RETURN, 0, 0, RET_ERRNO | code],
  ];
  const bytes = new Uint8Array(lines.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [at, [op, yes, no, k]] of lines.entries()) {
    view.setUint16(at * 8, op, true);
    view.setUint8(at * 8 + 2, yes);
    view.setUint8(at * 8 + 3, no);
    view.setUint32(at * 8 + 4, k, true);
  }
  return bytes;
}

const code = ERRORS[Deno.env.get("CONTAINERKIT_REFUSE") ?? ""];
if (code === undefined) throw new Error("CONTAINERKIT_REFUSE names no error");
const arena = new Arena(1024);
const bytes = program(code);
const filter = arena.allocate(bytes.length);
arena.bytes.set(bytes, filter);
const header = arena.allocate(16);
const view = new DataView(arena.bytes.buffer);
view.setUint16(header, bytes.length / 8, true);
view.setBigUint64(header + 8, arena.addressOf(filter), true);
/** `int seccomp(unsigned int operation, unsigned int flags, void *args)` */
const symbols = library({
  seccomp: {
    name: "syscall",
    parameters: ["i32", "u32", "u32", "u64"],
    result: "i32",
  },
});
const result = symbols().seccomp(
  SYS_SECCOMP,
  SET_MODE_FILTER,
  FLAG_TSYNC,
  arena.addressOf(header),
);
if (result !== 0) throw new Error(`seccomp: ${errnoName(errno())}`);
