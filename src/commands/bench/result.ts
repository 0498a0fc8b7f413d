/** What a benchmark found, as a row; its JSON form is a contract. */
import { RmqError } from '../../protocol/errors.ts';
import type { Column } from '../shared/command.ts';
import type { Histogram } from './histogram.ts';
import type { Load } from './load.ts';

export interface LatencyMs {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface BenchRow {
  readonly work: string;
  readonly protocol: string;
  readonly messages: number;
  readonly seconds: number;
  readonly messagesPerSecond: number;
  /** Of bodies, in 1,000,000 bytes. */
  readonly megabytesPerSecond: number;
  readonly latencyMs: LatencyMs;
  readonly errors: number;
  readonly firstError: string | undefined;
  /** Stopped by the user: what was measured until then. */
  readonly isInterrupted: boolean;
}

export const benchColumns: readonly Column<BenchRow>[] = [
  { title: 'WORK', value: (row) => `${row.work} over ${row.protocol}`, style: () => 'name' },
  { title: 'MESSAGES', value: (row) => `${row.messages} in ${row.seconds} s` },
  { title: 'MESSAGES/S', value: (row) => row.messagesPerSecond },
  { title: 'MB/S', value: (row) => row.megabytesPerSecond },
  { title: 'P50 MS', value: (row) => row.latencyMs.p50 },
  { title: 'P90 MS', value: (row) => row.latencyMs.p90 },
  { title: 'P99 MS', value: (row) => row.latencyMs.p99 },
  { title: 'P99.9 MS', value: (row) => row.latencyMs.p999 },
  { title: 'MAX MS', value: (row) => row.latencyMs.max },
  {
    title: 'ERRORS',
    value: (row) => (row.firstError === undefined ? 0 : `${row.errors}: ${row.firstError}`),
    style: (row) => (row.errors > 0 ? 'bad' : undefined),
  },
];

export function benchRow(
  load: Load,
  latency: Histogram,
  about: {
    readonly work: string;
    readonly protocol: string;
    readonly bodySizeBytes: number;
    readonly isInterrupted: boolean;
  },
): BenchRow {
  const { messageCount, seconds, failedCount, firstError } = load;
  const perSecond = seconds > 0 ? messageCount / seconds : 0;
  return {
    work: about.work,
    protocol: about.protocol,
    messages: messageCount,
    seconds: rounded(seconds, 3),
    messagesPerSecond: Math.round(perSecond),
    megabytesPerSecond: rounded((perSecond * about.bodySizeBytes) / 1e6, 2),
    latencyMs: {
      p50: rounded(latency.percentileMs(0.5), 3),
      p90: rounded(latency.percentileMs(0.9), 3),
      p99: rounded(latency.percentileMs(0.99), 3),
      p999: rounded(latency.percentileMs(0.999), 3),
      max: rounded(latency.maxMs, 3),
    },
    errors: failedCount,
    firstError: firstError?.message,
    isInterrupted: about.isInterrupted,
  };
}

/** Figures with failures in them are printed, and the command has failed; stopped, it says so by its exit code. */
export function benchVerdict(result: readonly BenchRow[] | BenchRow): RmqError | undefined {
  const row = Array.isArray(result) ? (result as readonly BenchRow[])[0] : (result as BenchRow); // one row
  if (row === undefined) return undefined;
  if (row.isInterrupted) return new RmqError('INTERRUPTED', 'stopped before its time');
  if (row.errors === 0) return undefined;
  return new RmqError('PARTIAL', `${row.errors} calls failed: ${row.firstError ?? ''}`);
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
