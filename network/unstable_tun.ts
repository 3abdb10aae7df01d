/**
 * Links whose other end is a file: TUN and TAP.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @module
 */

import {
  type Fd,
  ioctl,
  openAt,
  OpenFlag,
  read,
  waitReadable,
  write,
} from "@containerkit/libc";
import { readText } from "./_fields.ts";
import { checkLinkName } from "./_link_message.ts";
import type { NetNs } from "./net_ns.ts";

/** Options of {@linkcode Tun}. */
export interface TunOptions {
  /** IP packets, or Ethernet frames. */
  readonly kind: "tun" | "tap";
  /**
   * Its name, up to 15 bytes; `%d` in it becomes the first free number.
   *
   * @default {the kernel chooses}
   */
  readonly name?: string | undefined;
  /**
   * The namespace it is made in.
   *
   * @default {the one the thread is in}
   */
  readonly netns?: NetNs | undefined;
  /**
   * Whether it stays when the file is closed.
   *
   * @default {false}
   */
  readonly persistent?: boolean | undefined;
  /** The user who may open it later. */
  readonly owner?: number | undefined;
}

const TUNSETIFF = 0x400454ca;
const TUNSETPERSIST = 0x400454cb;
const TUNSETOWNER = 0x400454cc;
const IFF_TUN = 1;
const IFF_TAP = 2;
/** Packets as they are, without four bytes before them. */
const IFF_NO_PI = 0x1000;
/** The largest frame, and a virtual header. */
const LARGEST = 65536 + 64;

/**
 * A TUN or TAP link and the file that is its other end.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @example Usage
 * ```ts ignore
 * import { Tun } from "@containerkit/network/unstable-tun";
 *
 * using tun = new Tun({ kind: "tun", name: "tun0" });
 * const packet = await tun.read();
 * ```
 */
export class Tun implements Disposable {
  /** The name of the link. */
  readonly name: string;
  readonly #fd: Fd;
  readonly #buffer = new Uint8Array(LARGEST);

  /**
   * Makes the link, or opens one that is persistent.
   *
   * @param options Which one, and where.
   * @throws {SyscallError} If the kernel refuses: `EBUSY` if somebody has it open.
   * @throws {RangeError} If the name has more than 15 bytes.
   */
  constructor(options: TunOptions) {
    const { kind, name = "", netns, persistent, owner } = options;
    if (name !== "") checkLinkName(name);
    const open = () =>
      openAt(undefined, "/dev/net/tun", OpenFlag.RDWR | OpenFlag.NONBLOCK);
    this.#fd = netns === undefined ? open() : netns.run(open);
    try {
      // struct ifreq: 16 bytes of name, then u16 flags
      const request = new Uint8Array(40);
      request.set(new TextEncoder().encode(name));
      const flags = (kind === "tun" ? IFF_TUN : IFF_TAP) | IFF_NO_PI;
      new DataView(request.buffer).setUint16(16, flags, true);
      const action = `open the ${kind} link "${name}"`;
      ioctl(this.#fd, TUNSETIFF, { argument: request, action });
      this.name = readText(request.subarray(0, 16));
      if (owner !== undefined) {
        ioctl(this.#fd, TUNSETOWNER, { argument: owner, action });
      }
      if (persistent !== undefined) this.persist(persistent);
    } catch (error) {
      this.#fd.close();
      throw error;
    }
  }

  /**
   * Says whether the link stays when the file is closed.
   *
   * @param stays Whether it does.
   */
  persist(stays: boolean): void {
    ioctl(this.#fd, TUNSETPERSIST, {
      argument: Number(stays),
      action: `let the link "${this.name}" stay`,
    });
  }

  /**
   * Waits for what the link sends.
   *
   * @param options Ends the waiting.
   * @returns One packet, or frame.
   */
  async read(
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    for (;;) {
      const count = read(this.#fd, this.#buffer);
      if (count !== undefined) return this.#buffer.slice(0, count);
      await waitReadable(this.#fd, options);
    }
  }

  /**
   * Lets the link receive something.
   *
   * @param packet One packet, or frame.
   */
  write(packet: Uint8Array<ArrayBuffer>): void {
    write(this.#fd, packet);
  }

  /** Closes the file; the link goes with it unless it is persistent. */
  close(): void {
    this.#fd.close();
  }

  /** Closes the file at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }
}
