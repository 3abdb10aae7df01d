/** What the parts of applying a layer share. */
import type { TarHeader } from "@containerkit/tar";
import type { Dir, DirTree } from "./_dir_tree.ts";
import type { ImplicitFolders } from "./_implicit.ts";
import type { LayerMarks, OpenDir } from "./_layer_marks.ts";
import type { Below, ParentLayers } from "./_parent_layers.ts";
import { LayerError } from "./layer_error.ts";

const MAX_ID = 0xffffffff - 1;
const MAX_WARNINGS = 1000;

/** Something that was left out, and why. */
export interface LayerWarning {
  /** The path of the entry. */
  readonly path: string;
  /** What was left out, and why. */
  readonly message: string;
}

export interface ApplyRules {
  readonly marks: LayerMarks;
  readonly parents: ParentLayers | undefined;
  readonly umask: number;
  readonly uid: number;
  readonly gid: number;
  readonly sameOwner: boolean;
  readonly devices: boolean;
  readonly mapUid: (id: number) => number | undefined;
  readonly mapGid: (id: number) => number | undefined;
  /** Whether the owners of what is below are mapped too. */
  readonly mapParents: boolean;
  readonly filter: ((header: TarHeader) => boolean) | undefined;
  readonly writeBack: boolean;
  readonly implicit: ImplicitFolders | undefined;
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** A target, and the rules by which a layer is applied to it. */
export class ApplyContext {
  readonly tree: DirTree;
  readonly rules: ApplyRules;
  readonly warnings: LayerWarning[] = [];

  constructor(tree: DirTree, rules: ApplyRules) {
    this.tree = tree;
    this.rules = rules;
  }

  /** Says that something was left out. */
  warn(path: string, message: string): void {
    if (this.warnings.length < MAX_WARNINGS) {
      this.warnings.push({ path, message });
    }
  }

  /** The directory as marks take it. */
  marksOf(dir: Dir): OpenDir {
    return { fd: this.tree.fd(dir), path: dir.path };
  }

  /** The owner that an entry gets; `undefined` is the caller. */
  owner({ uid, gid, name }: TarHeader): Owner | undefined {
    if (!this.rules.sameOwner) return undefined;
    if (uid < 0 || uid > MAX_ID || gid < 0 || gid > MAX_ID) {
      throw new LayerError(name, `its owner ${uid}:${gid} is out of range`);
    }
    return this.#map({ uid, gid }, name);
  }

  /** The owner of what is made like something below. */
  ownerLike({ uid, gid }: Owner, path: string): Owner {
    const owner = { uid, gid };
    return this.rules.mapParents ? this.#map(owner, path) : owner;
  }

  /** The owner of a directory that nothing describes: root, where there is one. */
  get plainOwner(): Owner {
    const { sameOwner, mapUid, mapGid } = this.rules;
    return sameOwner
      ? { uid: mapUid(0) ?? 0, gid: mapGid(0) ?? 0 }
      : { uid: 0, gid: 0 };
  }

  #map({ uid, gid }: Owner, path: string): Owner {
    const { mapUid, mapGid } = this.rules;
    const mapped = { uid: mapUid(uid), gid: mapGid(gid) };
    if (mapped.uid === undefined || mapped.gid === undefined) {
      throw new LayerError(path, `its owner ${uid}:${gid} is not mapped`);
    }
    return { uid: mapped.uid, gid: mapped.gid };
  }

  /** Whether the kernel gives a new file this owner by itself. */
  isOwn(owner: Owner | undefined, parent: Dir): boolean {
    const { uid, gid } = this.rules;
    return owner === undefined ||
      (owner.uid === uid && owner.gid === (parent.inheritedGid ?? gid));
  }

  /** Who must be made the owner of a new file; `undefined` if the kernel did that by itself. */
  ownerToSet(header: TarHeader, parent: Dir): Owner | undefined {
    const owner = this.owner(header);
    return this.isOwn(owner, parent) ? undefined : owner;
  }

  /** Whether a layer below has the name, as far as is known. */
  isBelow(parent: Dir, name: string): boolean {
    const { parents } = this.rules;
    return parents === undefined ||
      parents.find([...parent.path.split("/"), name]) !== undefined;
  }

  /** What a layer below shows at a name, as far as is known. */
  findBelow(parent: Dir, name: string): Below | undefined {
    if (parent.opaque || parent.hidden?.has(name)) return undefined;
    return this.rules.parents?.find([...parent.path.split("/"), name]);
  }

  /** Notes that a name is this layer's now, whatever the layer says elsewhere. */
  wrote(parent: Dir, name: string): void {
    parent.write(name);
    if (parent.hidden?.delete(name)) {
      this.rules.marks.createdOver(this.marksOf(parent), name);
    }
  }
}
