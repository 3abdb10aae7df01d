import { type Fd, struct } from "@containerkit/libc";
import { ask } from "./_btrfs_ask.ts";

const BTRFS_IOC_TREE_SEARCH = 0xd0009411;
/** The largest key. */
const MAX_KEY = 0xffffffffffffffffn;

/** `struct btrfs_ioctl_search_args` */
const searchArgs = struct({
  treeId: "u64",
  minObjectid: "u64",
  maxObjectid: "u64",
  minOffset: "u64",
  maxOffset: "u64",
  minTransid: "u64",
  maxTransid: "u64",
  minType: "u32",
  maxType: "u32",
  count: "u32",
  unused: { bytes: 36 },
  found: { bytes: 3992 },
}, 4096);

/** One item that a search of a tree found. */
export interface Item {
  readonly objectid: bigint;
  readonly offset: bigint;
  readonly type: number;
  readonly data: DataView<ArrayBuffer>;
}

/** Which items. */
export interface Range {
  readonly tree: bigint;
  readonly objectid: bigint;
  readonly offset?: bigint;
  readonly types: readonly [lowest: number, highest: number];
}

/** All items of a range of a tree, as BTRFS_IOC_TREE_SEARCH finds them, a page at a time. */
export function* search(
  fd: Fd,
  { tree, objectid, offset, types }: Range,
  path: string,
): Generator<Item> {
  let minOffset = offset ?? 0n;
  let minType = types[0];
  for (;;) {
    const argument = searchArgs.encode({
      treeId: tree,
      minObjectid: objectid,
      maxObjectid: objectid,
      minOffset,
      maxOffset: offset ?? MAX_KEY,
      maxTransid: MAX_KEY,
      minType,
      maxType: types[1],
      count: 64,
    });
    ask(fd, BTRFS_IOC_TREE_SEARCH, {
      argument,
      name: "BTRFS_IOC_TREE_SEARCH",
      action: `look into "${path}"`,
      path,
    });
    const { count } = searchArgs.decode(argument);
    if (count === 0) return;
    // struct btrfs_ioctl_search_header { u64 transid, objectid, offset; u32 type, length; }
    const view = new DataView(argument.buffer, searchArgs.offsets.found);
    let last: Item | undefined;
    let at = 0;
    for (let index = 0; index < count; index++) {
      const length = view.getUint32(at + 28, true);
      last = {
        objectid: view.getBigUint64(at + 8, true),
        offset: view.getBigUint64(at + 16, true),
        type: view.getUint32(at + 24, true),
        data: new DataView(
          argument.buffer,
          searchArgs.offsets.found + at + 32,
          length,
        ),
      };
      at += 32 + length;
      yield last;
    }
    // The kernel takes both bounds as one key: type first, then offset.
    if (last!.offset === MAX_KEY) return;
    minType = last!.type;
    minOffset = last!.offset + 1n;
  }
}
