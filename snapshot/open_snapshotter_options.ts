/**
 * What every driver is opened with.
 *
 * @module
 */

/** Options of every `open` of a driver. */
export interface OpenSnapshotterOptions {
  /**
   * Where containerkit keeps what survives a boot; made if it is not there. The snapshots of a driver are in
   * `snapshots/<driver>` of it.
   *
   * @default {"/var/lib/containerkit"}
   */
  readonly root?: string;
  /**
   * Where containerkit keeps what does not survive a boot, such as `/run/containerkit`. Drivers that need no such
   * place take no notice.
   */
  readonly state?: string;
  /**
   * Makes the records anew from the layers when they are damaged or gone; what was not committed is lost. A damaged
   * file is kept beside them. To records that are older than the layers, as those from a backup are, it adds the layers
   * that they lack.
   *
   * @default {false}
   */
  readonly rebuild?: boolean;
}
