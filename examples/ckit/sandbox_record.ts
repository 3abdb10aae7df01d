import type { Descriptor } from "@containerkit/oci";
import type { Context } from "./command.ts";

/** Everything a container needs around it: written down before any of it is made, so that it can always be removed. */
export interface SandboxRecord {
  /** The container's id. */
  readonly id: string;
  /** The full name of its image. */
  readonly image: string;
  /** Its manifest: the name may come to mean another. */
  readonly descriptor: Descriptor;
  /** The driver of its snapshot, whose key is the id. */
  readonly snapshotter: string;
  /** `bridge` has an address, `outbound` too but only gets out, `none` has only loopback, `host` the host's. */
  readonly network: "bridge" | "outbound" | "none" | "host";
  /** The folder of its files. */
  readonly folder: string;
  /** When it was made, as RFC 3339 in UTC. */
  readonly created: string;
}

/** What the names of notes of attached volumes begin with. */
export const VOLUME_NOTE = "volume-";

/** The folder of what is around a container. */
export function folderOf({ state }: Context, id: string): string {
  return `${state}/sandboxes/${id}`;
}

/** Whether a container is on the bridge. */
export function isOnBridge(
  { network }: Pick<SandboxRecord, "network">,
): boolean {
  return network === "bridge" || network === "outbound";
}

/** The record of a container, or `undefined`. */
export function readSandbox(
  context: Context,
  id: string,
): SandboxRecord | undefined {
  try {
    return JSON.parse(
      Deno.readTextFileSync(`${folderOf(context, id)}/sandbox.json`),
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The records of all containers, by id. */
export function listSandboxes(context: Context): SandboxRecord[] {
  try {
    return [...Deno.readDirSync(`${context.state}/sandboxes`)]
      .filter(({ name }) => !name.startsWith("."))
      .map(({ name }) => readSandbox(context, name))
      .filter((record) => record !== undefined)
      .toSorted((a, b) => a.created < b.created ? -1 : 1);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** The attachments of volumes that are noted, one file each. */
export function attachmentsOf({ folder }: SandboxRecord): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => name.startsWith(VOLUME_NOTE))
    .map((name) => name.slice(VOLUME_NOTE.length));
}

/** The id of the container that a volume is attached for. */
export function holderOf(
  context: Context,
  attachment: string,
): string | undefined {
  return listSandboxes(context)
    .find((record) => attachmentsOf(record).includes(attachment))?.id;
}
