/**
 * How large the history may be. The disk is the spool's first: as it fills, the history gives back. Pure.
 */
export interface HistorySpace {
  /** As configured. */
  readonly maxBytes: number
  readonly usedBytes: number
  /** Undefined while the disk cannot be asked. */
  readonly diskFreeBytes: number | undefined
}

/** Of what the disk could give to mail: intake would stop at 85 % (`spool/capacity.ts`), far behind this. */
const DISK_SHARE = 0.1

export function historyLimit({ maxBytes, usedBytes, diskFreeBytes }: HistorySpace): number {
  if (diskFreeBytes === undefined) return maxBytes
  return Math.min(maxBytes, Math.floor((usedBytes + diskFreeBytes) * DISK_SHARE))
}
