/**
 * What is kept of unfinished pushes.
 *
 * @module
 */

/** Keeps where unfinished uploads are, so that another process can go on with them. Values are as secret as the push itself. */
export interface UploadState {
  /** The value kept by a key, if any. */
  get(key: string): Promise<string | undefined>;
  /** Keeps a value. */
  set(key: string, value: string): Promise<void>;
  /** Forgets one. */
  delete(key: string): Promise<void>;
}
