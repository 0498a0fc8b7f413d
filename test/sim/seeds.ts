/** Seeds that have found a defect of the store; they stay as regression cases. */
export const regressionSeeds: readonly number[] = [
  // Recovery showed records that were only in the page cache; a power cut then took them.
  5,
  // The data folder's own name was not synced.
  6,
  // A torn record without its checksum passed for one of Apache's.
  41,
  // Asynchronous flush: a record in the middle was lost while the last one was whole.
  112,
];
