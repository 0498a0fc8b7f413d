/** Points in time and in a queue as a user types them. */
import { RmqError } from '../../protocol/errors.ts';
import { parseDuration } from '../../util/values.ts';

export type StartPoint =
  | { readonly type: 'earliest' }
  | { readonly type: 'latest' }
  | { readonly type: 'offset'; readonly offset: number }
  | { readonly type: 'time'; readonly timestampMs: number };

/**
 * `earliest`, `latest`, `-15m` (that long ago), an offset such as `1200`, an ISO 8601 time or a Unix
 * timestamp in milliseconds (13 digits).
 * @throws RmqError USAGE
 */
export function parseStartPoint(text: string, nowMs: number, flag = '--from'): StartPoint {
  if (text === 'earliest' || text === 'latest') return { type: text };
  if (text.startsWith('-')) {
    const ago = parseDuration(text.slice(1));
    if (ago !== undefined) return { type: 'time', timestampMs: nowMs - ago };
  }
  if (/^\d{13}$/.test(text)) return { type: 'time', timestampMs: Number(text) };
  if (/^\d{1,12}$/.test(text)) return { type: 'offset', offset: Number(text) };
  const timestampMs = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(timestampMs)) return { type: 'time', timestampMs };
  throw new RmqError(
    'USAGE',
    `${flag}: "${text}" is not allowed: earliest, latest, -15m, an offset or 2026-01-31T12:00:00Z`,
  );
}

/** Unix ms of a point in time, undefined of nothing. @throws RmqError USAGE */
export function parseTime(
  text: string | undefined,
  flag: string,
  nowMs: number,
): number | undefined {
  if (text === undefined) return undefined;
  const point = parseStartPoint(text, nowMs, flag);
  if (point.type === 'time') return point.timestampMs;
  throw new RmqError('USAGE', `${flag}: "${text}" is not a time: -15m or 2026-01-31T12:00:00Z`);
}

/** ISO 8601 in UTC with milliseconds; undefined for 0, which the protocol uses for "none". */
export function isoTime(timestampMs: number): string | undefined {
  return timestampMs > 0 ? new Date(timestampMs).toISOString() : undefined;
}

/** `4s ago`, for people. */
export function ago(thenMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - thenMs) / 1_000));
  if (seconds < 120) return `${seconds}s ago`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)}m ago`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)}h ago`;
  return `${Math.round(seconds / 86_400)}d ago`;
}
