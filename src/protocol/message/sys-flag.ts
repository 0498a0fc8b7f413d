/** Bits of a record's `sysFlag`; facts/store.md §2.1. */
export const SysFlag = {
  compressed: 0x1,
  multiTags: 0x2,
  transactionPrepared: 0x4,
  transactionCommit: 0x8,
  transactionRollback: 0xc,
  /** Mask of the two transaction bits; 0 under it: no transaction. */
  transactionMask: 0xc,
  bornHostV6: 0x10,
  storeHostV6: 0x20,
  needsUnwrap: 0x40,
  innerBatch: 0x80,
  compressionLz4: 0x100,
  compressionZstd: 0x200,
  compressionZlib: 0x300,
  /** Mask of the compression type; 0 under it with `compressed` set means ZLIB (old clients). */
  compressionMask: 0x700,
} as const;

/** Whether a record of these flags has a place in its queue: normal and committed ones do. */
export function isQueued(sysFlag: number): boolean {
  // Prepared and rollback records only have bit 2 in common; facts/store.md §5.
  return (sysFlag & SysFlag.transactionPrepared) === 0;
}
