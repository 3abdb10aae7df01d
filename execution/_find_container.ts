import {
  type Bundle,
  bundleOf,
  type ContainerRecord,
  readRecord,
} from "./_bundle.ts";
import { RuntimeError } from "./runtime_error.ts";

/**
 * Finds a container that was made earlier.
 *
 * @throws {RuntimeError} If there is none (`NotFound`), also while it is being made.
 */
export function findContainer(
  state: string,
  id: string,
  action: string,
): { readonly bundle: Bundle; readonly record: ContainerRecord } {
  const bundle = bundleOf(state, id);
  const record = readRecord(bundle);
  if (record === undefined) {
    throw new RuntimeError(`${action} container "${id}"`, {
      code: "NotFound",
      detail: "there is none of that id",
    });
  }
  return { bundle, record };
}
