/** The word by which a compiled ckit has itself be the monitor of the folder that follows. */
export const MONITOR_WORD = "be-monitor-of";
