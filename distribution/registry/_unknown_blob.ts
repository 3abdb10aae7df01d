import { ApiError } from "./_api_error.ts";

/** What is said of a blob that a repository does not have. */
export function unknownBlob(): ApiError {
  return new ApiError("BLOB_UNKNOWN", "the blob is not known");
}
