/**
 * Seeds that see a defect which the store once had, when it is put back; they stay as regression cases (without
 * retention and compaction, which they are older than). A
 * change of what a run draws makes them other runs: look for new ones then.
 */
export const regressionSeeds: readonly number[] = [
  // Recovery showed records that were only in the page cache; a power cut then took them.
  5,
  // A new segment's name was not synced.
  7,
  // A failed sync had dropped what recovery showed; syncing again did not write it. Now it is rewritten.
  12,
  // A torn record without its checksum passed for one of Apache's.
  72,
  // What recovery takes for synced was only written.
  111,
  // Asynchronous flush: a record in the middle was lost while the last one was whole.
  112,
];
