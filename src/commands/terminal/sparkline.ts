/** A row of small bars. */

const bars = ' ▁▂▃▄▅▆▇█';

/** The last `width` values as bars, the largest as high as it goes; shorter when there are fewer. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = width > 0 ? values.slice(-width) : [];
  const max = Math.max(0, ...shown);
  return shown
    .map((value) => {
      if (!(value > 0)) return bars[0];
      return bars[Math.max(1, Math.round((value / max) * (bars.length - 1)))];
    })
    .join('');
}
