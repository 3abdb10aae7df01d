import { LimitError, type TarLimits } from "./limit_error.ts";
import { encodeText } from "./text.ts";

const DEFAULT_PATH_BYTES = 4096;

/** Refuses a path that is longer or deeper than is allowed. */
export function checkPath(path: string, limits: TarLimits): void {
  const { pathBytes = DEFAULT_PATH_BYTES, pathDepth } = limits;
  if (
    path.length > pathBytes ||
    (path.length * 3 > pathBytes && encodeText(path).length > pathBytes)
  ) {
    throw new LimitError("pathBytes", pathBytes);
  }
  if (pathDepth === undefined) return;
  const depth = path.split("/").filter((part) => part !== "").length;
  if (depth > pathDepth) throw new LimitError("pathDepth", pathDepth);
}
