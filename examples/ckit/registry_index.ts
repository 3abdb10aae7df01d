import {
  createFileIndex,
  type PrunableIndex,
} from "@containerkit/distribution/registry";

/** Opens what the registry of a root knows of its repositories. */
export function openRegistryIndex(root: string): PrunableIndex {
  return createFileIndex(`${root}/registry`);
}
