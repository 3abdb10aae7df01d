const ESRCH = 3;
const ENOSYS = 38;
const ENOTTY = 25;
const EINVAL = 22;
const EOPNOTSUPP = 95;

/** The reason in words: what is missing is a matter of the filesystem, seldom of the call. */
export function explainQuota(code: number): string | undefined {
  switch (code) {
    case ESRCH:
      return "project quotas are off: mount ext4 with prjquota, xfs with pquota";
    case ENOSYS:
      return "the kernel has no quotas, or is older than 5.14";
    case ENOTTY:
    case EOPNOTSUPP:
      return "the filesystem has no projects";
    case EINVAL:
      return "the filesystem was made without projects: mkfs.ext4 -O project,quota";
    default:
      return undefined;
  }
}
