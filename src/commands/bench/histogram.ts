/**
 * Latencies in little memory: buckets of 1/64 of a power of two, so that a percentile is right within 1.6 %.
 * Microseconds, from 0 to over an hour.
 */
const subBits = 6;
const subCount = 1 << subBits;
const bucketCount = subCount * 28;

export class Histogram {
  readonly #counts = new Float64Array(bucketCount);
  count = 0;
  #maxUs = 0;

  recordMs(milliseconds: number): void {
    const us = Math.max(0, Math.round(milliseconds * 1000));
    this.#counts[bucketOf(us)]! += 1; // below bucketCount
    this.count++;
    if (us > this.#maxUs) this.#maxUs = us;
  }

  /** The latency in ms that `fraction` of all stayed below; 0 when there are none. */
  percentileMs(fraction: number): number {
    if (this.count === 0) return 0;
    const rank = Math.max(1, Math.ceil(fraction * this.count));
    let seen = 0;
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      seen += this.#counts[bucket] ?? 0;
      if (seen >= rank) return Math.min(middleUs(bucket), this.#maxUs) / 1000;
    }
    return this.#maxUs / 1000;
  }

  get maxMs(): number {
    return this.#maxUs / 1000;
  }
}

function bucketOf(us: number): number {
  if (us < subCount) return us;
  const shift = 31 - Math.clz32(Math.min(us, 2 ** 31 - 1)) - subBits;
  const bucket = (shift + 1) * subCount + ((Math.min(us, 2 ** 31 - 1) >>> shift) - subCount);
  return Math.min(bucket, bucketCount - 1);
}

function middleUs(bucket: number): number {
  if (bucket < subCount) return bucket;
  const shift = Math.floor(bucket / subCount) - 1;
  const low = ((bucket % subCount) + subCount) * 2 ** shift;
  return low + 2 ** shift / 2;
}
