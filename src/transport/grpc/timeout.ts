/** `grpc-timeout`: at most eight digits and a unit. */

const unitMs: ReadonlyMap<string, number> = new Map([
  ['H', 3_600_000],
  ['M', 60_000],
  ['S', 1_000],
  ['m', 1],
  ['u', 0.001],
  ['n', 0.000_001],
]);

/** Milliseconds that a `grpc-timeout` header means; undefined when it is malformed. */
export function timeoutMs(header: string): number | undefined {
  // By hand: each call has one, and an expression would make five objects of it.
  const factor = unitMs.get(header.charAt(header.length - 1));
  if (factor === undefined) return undefined;
  let end = header.length - 1;
  while (end > 0 && (header.charAt(end - 1) === ' ' || header.charAt(end - 1) === '\t')) end--;
  if (end === 0 || end > 8) return undefined;
  let count = 0;
  for (let index = 0; index < end; index++) {
    const digit = header.charCodeAt(index) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    count = count * 10 + digit;
  }
  return count * factor;
}
