/** `grpc-timeout`: at most eight digits and a unit. */

const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

/** Milliseconds that a `grpc-timeout` header means; undefined when it is malformed. */
export function timeoutMs(header: string): number | undefined {
  const [, count, unit = ''] = /^(\d{1,8})\s*([HMSmun])$/.exec(header) ?? [];
  const factor = unitMs[unit];
  return count === undefined || factor === undefined ? undefined : Number(count) * factor;
}
