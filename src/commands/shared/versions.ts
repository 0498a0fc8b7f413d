/** Versions that clients and brokers name by their place in Apache's list; facts/remoting.md 1.6. */

/** V4_0_0. From it on each release has two places, its snapshot the one before. */
const ordinalOfV4 = 213;

/** `5.4.0` for 493; the number itself where the list is older than that rule or a snapshot is named. */
export function versionText(ordinal: number): string {
  const place = ordinal - ordinalOfV4;
  if (place < 0 || place % 2 !== 0) return String(ordinal);
  const release = place / 2;
  return `${4 + Math.floor(release / 100)}.${Math.floor(release / 10) % 10}.${release % 10}`;
}
