/** Numbers as people read them on a screen. */

/** `1,234`, `56.7k`, `8.9M`. */
export function short(value: number): string {
  if (value < 10_000) return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
  const units = ['k', 'M', 'G', 'T'];
  let shown = value;
  let unit = '';
  for (const next of units) {
    if (shown < 1_000) break;
    shown /= 1_000;
    unit = next;
  }
  return `${shown < 100 ? shown.toFixed(1) : Math.round(shown)}${unit}`;
}

/** Messages a second: `0`, `3.4`, `5,012`; `·` while it is not known. */
export function rate(perSecond: number | undefined): string {
  if (perSecond === undefined) return '·';
  if (perSecond > 0 && perSecond < 99.95) return perSecond.toFixed(1);
  return short(perSecond);
}

/** `512 MiB`. */
export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let shown = value;
  let unit = 0;
  while (shown >= 1_024 && unit < units.length - 1) {
    shown /= 1_024;
    unit++;
  }
  return `${unit > 0 && shown < 10 ? shown.toFixed(1) : Math.round(shown)} ${units[unit]}`;
}
